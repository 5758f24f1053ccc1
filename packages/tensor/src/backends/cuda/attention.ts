import {
  type Alignment,
  alignmentOf,
  CudaAttention,
  type CudaAttentionForm,
  type CudaAttentionShape,
} from "@qknorm/native/cuda";
import type { AttentionSpan, IndexView, PagedAttentionSpan, TensorView } from "../../backend.ts";
import { bytesOf, type CacheDtype, type FloatDtype } from "../../dtype.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { placeOf, stridesOf } from "./heads.ts";
import { joinableAttention } from "./joinable-attention.ts";
import { KeptLaunches } from "./kept-launches.ts";
import { ordinalOfMemory } from "./memory.ts";
import { postponed } from "./postponed.ts";

const launches = new KeptLaunches<CudaAttention>(32);

/** `out [T, Hq, D]` from `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`. Queued on the current stream. */
export function attention(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  out: TensorView,
  span: AttentionSpan,
): void {
  const tokens = q.shape[0] as number;
  const sequences = { batch: 1, mostQueries: tokens, pageSize: 1, pagesPerSequence: 1 };
  launch({ q, k, v, out }, span, sequences, { lengths: span.past });
}

/** `out [T, Hq, D]` from `q [T, Hq, D]` over pages of `kCache` and `vCache` `[S, Hkv, D]`. Queued on the current stream. */
export function pagedAttention(
  q: TensorView,
  kCache: TensorView,
  vCache: TensorView,
  out: TensorView,
  span: PagedAttentionSpan,
): void {
  const { queryStarts, lengths, pages, pageSize, mostQueries } = span;
  const batch = lengths.length;
  if (mostQueries === 0) return;
  const sequences = { batch, mostQueries, pageSize, pagesPerSequence: pages.length / batch };
  launch({ q, k: kCache, v: vCache, out }, span, sequences, { queryStarts, lengths, pages });
}

interface Views {
  readonly q: TensorView;
  readonly k: TensorView;
  readonly v: TensorView;
  readonly out: TensorView;
}

type Sequences = Pick<CudaAttentionShape, "batch" | "mostQueries" | "pageSize" | "pagesPerSequence">;

interface SpanIndices {
  readonly lengths: IndexView;
  readonly queryStarts?: IndexView;
  readonly pages?: IndexView;
}

function launch(
  { q, k, v, out }: Views,
  span: Omit<AttentionSpan, "past">,
  sequences: Sequences,
  indices: SpanIndices,
): void {
  const { sinks, scales } = span;
  const { backend } = out.memory;
  const ordinal = ordinalOfMemory(out);
  const like = [
    ...[
      ordinal,
      q.dtype,
      k.dtype,
      span.rounding,
      span.mask,
      span.softCap,
      span.window,
      span.chunk,
      span.scale,
    ],
    ...[sinks?.dtype, indices.pages === undefined, ...Object.values(sequences), ...q.shape, ...k.shape],
    ...[q, k, v].flatMap((x) => [...x.strides, (x.offset * bytesOf[x.dtype]) % 16]),
    ...(scales === null ? [] : [...scales.k.strides, ...scales.v.strides]),
  ];
  const packed = launches.get(like, () => {
    const strides = { qStrides: stridesOf(q), kStrides: stridesOf(k), vStrides: stridesOf(v) };
    const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
    const [capacity, kvHeads] = k.shape as [number, number];
    const form: CudaAttentionForm = {
      ...{ dtype: q.dtype as FloatDtype, cacheDtype: k.dtype as CacheDtype, headDim },
      ...{ rounding: span.rounding, mask: span.mask, softCap: span.softCap > 0 },
      ...{ sinks: (sinks?.dtype ?? null) as FloatDtype | null, paged: indices.pages !== undefined },
      alignment: alignmentOfAll(q),
      cacheAlignment: alignmentOfAll(k, v),
    };
    const { scale, softCap, window, chunk } = span;
    return new CudaAttention(cudaKernels(ordinal), form, {
      ...{ tokens, queryHeads, kvHeads, capacity, scale, softCap, window, chunk },
      ...strides,
      ...(scales && { kScaleStrides: stridesOf(scales.k), vScaleStrides: stridesOf(scales.v) }),
      ...sequences,
    });
  });
  const { lengths, queryStarts, pages } = indices;
  const operands = {
    ...{
      q: placeOf(q),
      k: placeOf(k),
      v: placeOf(v),
      out: placeOf(out),
      lengths: placeOf(lengths.on(backend)),
    },
    ...(queryStarts && { queryStarts: placeOf(queryStarts.on(backend)) }),
    ...(pages && { pages: placeOf(pages.on(backend)) }),
    ...(sinks && { sinks: placeOf(sinks) }),
    ...(scales && { kScales: placeOf(scales.k), vScales: placeOf(scales.v) }),
  };
  const late = postponed(ordinal);
  if (late === null) packed.run(cudaStream(ordinal), operands);
  else {
    const step = joinableAttention({ q, k, v, out }, span, sequences, indices);
    late.add({ step, run: (stream) => packed.run(stream, operands) });
  }
}

/** Of where tensors start, and of their strides. */
function alignmentOfAll(...tensors: readonly TensorView[]): Alignment {
  const bytes = tensors.flatMap((x) => {
    const { token, head } = stridesOf(x);
    return [placeOf(x).offset, token, head];
  });
  return alignmentOf(...bytes);
}
