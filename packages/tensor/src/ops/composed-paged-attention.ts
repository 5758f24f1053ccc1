import { type FloatDtype, QkNormError } from "@qknorm/core";
import type { PagedAttentionSpan } from "../backend.ts";
import type { CacheScales } from "../op-specs.ts";
import { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { attention } from "./attention.ts";
import { convert } from "./convert.ts";

/** The parts of a span that the composition reads on the host. */
interface Sequences {
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  readonly pages: Int32Array;
  readonly pageSize: number;
}

/**
 * `pagedAttention` of `attention`, one sequence after the other, over a copy of its keys where its pages do not follow one
 * another. Throws `ERR_QKNORM_DEVICE` for indices that a device made.
 */
export function composedPagedAttention(
  q: Tensor,
  kCache: Tensor,
  vCache: Tensor,
  out: Tensor,
  span: Omit<PagedAttentionSpan, "sinks" | "scales"> & {
    readonly sinks: Tensor | null;
    readonly scales: CacheScales<Tensor> | null;
  },
): void {
  const { queryStarts, lengths, pages, pageSize, mostQueries, scales, ...rest } = span;
  const sequences = { starts: queryStarts.values, lengths: lengths.values, pages: pages.values, pageSize };
  if (!isKnown(sequences)) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `${q.device} has no pagedAttention, and composes it for indices that the host knows: read them first`,
    );
  }
  // Unequal float dtypes meet in f32, or, where each step is rounded as if in the dtype of q, in that.
  const dtype = kCache.dtype === q.dtype || rest.rounding === "hf" ? (q.dtype as FloatDtype) : "f32";
  const met = (x: Tensor): Tensor => (scales === null ? convert(x, dtype) : x);
  for (let b = 0; b < sequences.lengths.length; b++) {
    const [start, end] = [sequences.starts[b] as number, sequences.starts[b + 1] as number];
    if (start === end) continue;
    tidy(() => {
      const rows = (cache: Tensor): Tensor => rowsOf(cache, sequences, b);
      const past = (sequences.lengths[b] as number) - (end - start);
      const own = { ...rest, past, scales: scales && { k: rows(scales.k), v: rows(scales.v) } };
      const mixed = attention(met(q.slice(0, start, end)), met(rows(kCache)), met(rows(vCache)), own);
      out.slice(0, start, end).copyFrom(convert(mixed, q.dtype as FloatDtype));
    });
  }
}

function isKnown(
  sequences: {
    readonly [Name in keyof Sequences]: Sequences[Name] | null;
  },
): sequences is Sequences {
  return Object.values(sequences).every((values) => values !== null);
}

/** The rows of a sequence `[length, ...]`: a view where its pages lie one after the other. */
function rowsOf(cache: Tensor, { lengths, pages, pageSize }: Sequences, sequence: number): Tensor {
  const length = lengths[sequence] as number;
  const perSequence = pages.length / lengths.length;
  const own = pages.subarray(sequence * perSequence, sequence * perSequence + Math.ceil(length / pageSize));
  const first = (own[0] as number) * pageSize;
  if (own.every((page, i) => page === (own[0] as number) + i)) return cache.slice(0, first, first + length);
  const keys = Tensor.empty([length, ...cache.shape.slice(1)], cache.dtype, cache.device);
  own.forEach((page, i) => {
    const count = Math.min(pageSize, length - i * pageSize);
    keys
      .slice(0, i * pageSize, i * pageSize + count)
      .copyFrom(cache.slice(0, page * pageSize, page * pageSize + count));
  });
  return keys;
}
