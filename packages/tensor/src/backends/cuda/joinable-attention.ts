import {
  alignmentOf,
  type CudaAttentionForm,
  type CudaAttentionShape,
  planAttention,
} from "@qknorm/native/cuda";
import type { AttentionSpan, IndexView, TensorView } from "../../backend.ts";
import type { FloatDtype } from "../../dtype.ts";
import { cudaKernels } from "./device-state.ts";
import { placeOf, stridesOf } from "./heads.ts";
import type { JoinableAttention } from "./joinable.ts";
import { ordinalOfMemory } from "./memory.ts";
import { rangeOf } from "./ranges.ts";

interface Views {
  readonly q: TensorView;
  readonly k: TensorView;
  readonly v: TensorView;
  readonly out: TensorView;
}

/** Where the keys of each sequence lie, on any memory; `pages` undefined: one after the other, `lengths` of them before the query. */
interface SpanIndices {
  readonly lengths: IndexView;
  readonly pages?: IndexView;
}

/**
 * Attention of one token that one launch may have with others; null for what that does not take. With pages it is of one
 * sequence, to which the token belongs.
 */
export function joinableAttention(
  { q, k, v, out }: Views,
  span: Omit<AttentionSpan, "past">,
  sequences: Pick<CudaAttentionShape, "batch" | "mostQueries" | "pageSize" | "pagesPerSequence">,
  { lengths, pages }: SpanIndices,
): JoinableAttention | null {
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const [capacity, kvHeads] = k.shape as [number, number];
  const group = queryHeads / kvHeads;
  const { device } = cudaKernels(ordinalOfMemory(out));
  const { scale, softCap, window, chunk, rounding } = span;
  const apart =
    tokens !== 1 ||
    sequences.batch !== 1 ||
    group > 8 ||
    ![64, 128, 256].includes(headDim) ||
    span.sinks !== null ||
    span.mask !== "causal" ||
    k.dtype !== q.dtype;
  if (apart) return null;
  const places = [q, k, v].flatMap((x) => {
    const { token, head } = stridesOf(x);
    return [placeOf(x).offset, token, head];
  });
  const alignment = alignmentOf(...places);
  const dtype = q.dtype as FloatDtype;
  const form: CudaAttentionForm = {
    ...{ dtype, cacheDtype: dtype, headDim, rounding, mask: "causal", softCap: softCap > 0 },
    ...{ sinks: null, paged: pages !== undefined, alignment, cacheAlignment: alignment },
  };
  const {
    launches,
    pieces: planned,
    leastKeys,
  } = planAttention(
    form,
    {
      ...{ tokens, queryHeads, kvHeads, capacity, scale, softCap, window, chunk, ...sequences },
      ...{ qStrides: stridesOf(q), kStrides: stridesOf(k), vStrides: stridesOf(v) },
    },
    device,
  );
  const kernel = launches[0]?.kernel;
  const { pageSize, pagesPerSequence } = sequences;
  const mostKeys = pages === undefined ? capacity : pageSize * pagesPerSequence;
  // More than so many keys make no more pieces, and each has room of its own.
  const pieces = Math.min(planned, Math.ceil(mostKeys / leastKeys));
  const isKnown = kernel === "attention_decode" || kernel === "attention_ring";
  if (!isKnown || pieces * kvHeads > device.multiprocessors) return null;
  const { backend } = out.memory;
  const there = rangeOf(lengths.on(backend));
  return {
    ...{ kind: "attention", form, group, qHeadStride: stridesOf(q).head },
    inHalves: kernel === "attention_ring",
    operands: { q: rangeOf(q), kCache: rangeOf(k), vCache: rangeOf(v), out: rangeOf(out) },
    past: pages === undefined ? there : null,
    pages:
      pages === undefined
        ? null
        : { keys: there, table: rangeOf(pages.on(backend)), count: pagesPerSequence, size: pageSize },
    heads: {
      kCache: stridesOf(k),
      vCache: stridesOf(v),
      ...{ scale, softCap, kvHeads, capacity, window, chunk, pieces, leastKeys },
    },
  };
}
