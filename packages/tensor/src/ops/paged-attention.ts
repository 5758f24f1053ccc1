import { QkNormError } from "@qknorm/core";
import type { PagedAttentionSpan } from "../backend.ts";
import { cacheDtypes } from "../dtype.ts";
import { Indices } from "../indices.ts";
import { shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { type AttentionOptions, readSpan, requireSinks } from "./attention.ts";
import { requirePair, requireScales, scaleTensors } from "./cache-checks.ts";
import { backendOfAll, requireShape, requireTensor, requireWithin } from "./checks.ts";
import { composedPagedAttention } from "./composed-paged-attention.ts";

/** `PagedAttentionSpan`; causal, and without limits, caps and sinks by default. */
export interface PagedAttentionOptions extends Omit<AttentionOptions, "past"> {
  readonly queryStarts: Indices;
  readonly lengths: Indices;
  readonly pages: Indices;
  readonly pageSize: number;
  /** The most queries of one sequence; by default what `queryStarts` says on the host, or all tokens. */
  readonly mostQueries?: number;
}

/**
 * Grouped-query attention of B sequences at once, their keys in pages of one cache: `q [T, Hq, D]` over `kCache` and
 * `vCache` `[S, Hkv, D]`, of any float dtype, or of e4m3 with scales. Query `i` of the `n` of a sequence stands at its key `length - n + i`, and
 * sees what `attention` would let it see; one that stands before the first key sees none, and its output is zeros. Tokens
 * of no sequence are left as they are, whatever that is. A sequence's bits do not depend on the others.
 *
 * With rounding `hf` a cache of another dtype counts as rounded to the dtype of q. A backend without the op has it
 * composed of `attention`, for indices that the host knows.
 *
 * @returns `[T, Hq, D]`, contiguous, in the dtype of q
 * @throws QkNormError `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`; `ERR_QKNORM_ARGUMENT` for e4m3 without scales and a broken span: a page
 *   that the cache does not have, a length past a sequence's pages or short of its queries, queries out of order
 */
export function pagedAttention(
  q: Tensor,
  kCache: Tensor,
  vCache: Tensor,
  options: PagedAttentionOptions,
): Tensor {
  requireTensor(q, "q");
  requireShape(q.shape.length === 3, "q must be [tokens, heads, D]", { q });
  requirePair({ kCache, vCache }, "slots", cacheDtypes);
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const [slots, kvHeads] = kCache.shape as [number, number];
  requireShape(
    kCache.shape[2] === headDim && kvHeads > 0 && queryHeads % kvHeads === 0,
    "query heads must be a multiple of KV heads of the same D",
    { q, kCache },
  );
  const {
    queryStarts,
    lengths,
    pages,
    pageSize,
    mostQueries,
    sinks = null,
    scales = null,
    ...rest
  } = (options ?? {}) as PagedAttentionOptions;
  const numbers = readSpan(rest);
  requireSinks(sinks, q);
  requireScales(scales, kCache);
  const backend = backendOfAll({ q, kCache, vCache, sinks, ...scaleTensors(scales) });
  const sequences = { queryStarts, lengths, pages, pageSize };
  requireSequences(sequences, tokens, slots);
  const span: PagedAttentionSpan = {
    ...numbers,
    ...sequences,
    ...{ sinks, scales, mostQueries: readMostQueries(mostQueries, queryStarts, tokens) },
  };
  const out = Tensor.empty(q.shape, q.dtype, q.device);
  if (out.size === 0 || lengths.length === 0) return out;
  const dense = q.shape[2] === 1 || q.strides[2] === 1 ? q : q.toContiguous();
  const op = backend.ops.pagedAttention;
  if (op === undefined) composedPagedAttention(dense, kCache, vCache, out, { ...span, sinks, scales });
  else op(dense, kCache, vCache, out, span);
  return out;
}

type Sequences = Pick<PagedAttentionOptions, "queryStarts" | "lengths" | "pages" | "pageSize">;

const fail = (what: string): never => {
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `pagedAttention needs ${what}`);
};

function requireSequences(
  { queryStarts, lengths, pages, pageSize }: Sequences,
  tokens: number,
  slots: number,
): void {
  if (!Number.isSafeInteger(pageSize) || pageSize < 1)
    fail(`a pageSize that is an integer >= 1, got ${shown(pageSize)}`);
  requireWithin(queryStarts, tokens + 1, "query start");
  requireWithin(pages, Math.floor(slots / pageSize), "page");
  if (!Indices.is(lengths)) fail(`lengths that are Indices, got ${shown(lengths)}`);
  const count = lengths.length;
  if (queryStarts.length !== count + 1)
    fail(`one query start more than lengths: ${queryStarts.length} for ${count}`);
  if (count === 0) return;
  if (pages.length % count !== 0) fail(`as many pages for each of ${count} lengths, got ${pages.length}`);
  requireWithin(lengths, (pages.length / count) * pageSize + 1, "length");
  const starts = queryStarts.values;
  const known = lengths.values;
  if (starts === null) return;
  for (let b = 0; b < count; b++) {
    const queries = (starts[b + 1] as number) - (starts[b] as number);
    if (queries < 0) fail(`query starts in ascending order, got ${starts[b]} before ${starts[b + 1]}`);
    if (known !== null && queries > (known[b] as number))
      fail(`a length that holds the queries: ${known[b]} for ${queries} of sequence ${b}`);
  }
}

function readMostQueries(given: number | undefined, { values }: Indices, tokens: number): number {
  if (given !== undefined && !(Number.isSafeInteger(given) && given >= 0)) {
    fail(`mostQueries that is an integer >= 0, got ${shown(given)}`);
  }
  if (values === null) return Math.min(given ?? tokens, tokens);
  let most = 0;
  for (let b = 1; b < values.length; b++)
    most = Math.max(most, (values[b] as number) - (values[b - 1] as number));
  if (given !== undefined && most > given) fail(`mostQueries of ${most} at least, got ${given}`);
  return given ?? most;
}
