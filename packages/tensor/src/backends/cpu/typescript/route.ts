import type { TensorView } from "../../../backend.ts";
import type { RouterSpec } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { load, store } from "./values.ts";

/** `experts` and `weights` `[T, K]` of `logits [T, E]`, one token at a time, scores in f32. */
export function route(
  logits: TensorView,
  bias: TensorView | null,
  experts: TensorView,
  weights: TensorView,
  spec: RouterSpec,
): void {
  const [tokens, count] = logits.shape as [number, number];
  const { topK, groups, normalize, factor } = spec;
  const row = new Float64Array(count);
  const added = new Float64Array(count);
  const rank = new Float64Array(count);
  const chosen = dataOf(experts) as Int32Array;
  const share = new Float64Array(topK);
  const byLogit = bias === null && groups === null;
  if (bias !== null) load(bias, bias.offset, count, added);
  for (let token = 0; token < tokens; token++) {
    load(logits, logits.offset + token * (logits.strides[0] as number), count, row);
    // Ranking by the logits themselves where nothing is added keeps scores apart that round to one.
    if (byLogit) rank.set(row);
    if (spec.score === "softmax") softmax(row);
    else for (let i = 0; i < count; i++) row[i] = Math.fround(1 / (1 + Math.exp(-(row[i] as number))));
    if (!byLogit) {
      for (let i = 0; i < count; i++) rank[i] = Math.fround((row[i] as number) + (added[i] as number));
    }
    if (groups !== null) leaveOut(rank, groups);
    let sum = 0;
    for (let k = 0; k < topK; k++) {
      const best = largest(rank);
      rank[best] = Number.NaN;
      chosen[experts.offset + token * topK + k] = best;
      share[k] = row[best] as number;
      sum = Math.fround(sum + (share[k] as number));
    }
    for (let k = 0; k < topK; k++) {
      const value = share[k] as number;
      share[k] =
        factor * (normalize === null ? value : Math.fround(value / Math.fround(sum + normalize.eps)));
    }
    store(weights, weights.offset + token * topK, topK, share);
  }
}

function softmax(row: Float64Array): void {
  let peak = Number.NEGATIVE_INFINITY;
  for (const value of row) peak = Math.max(peak, value);
  let total = 0;
  for (let i = 0; i < row.length; i++) {
    row[i] = Math.exp((row[i] as number) - peak);
    total += row[i] as number;
  }
  for (let i = 0; i < row.length; i++) row[i] = Math.fround((row[i] as number) / total);
}

/** Leaves the groups out that are not kept. */
function leaveOut(
  rank: Float64Array,
  { count, kept }: { readonly count: number; readonly kept: number },
): void {
  const size = rank.length / count;
  const totals = new Float64Array(count);
  for (let group = 0; group < count; group++) {
    const members = rank.subarray(group * size, (group + 1) * size);
    const first = largest(members);
    const value = members[first] as number;
    members[first] = Number.NaN;
    totals[group] = Math.fround(value + (members[largest(members)] as number));
    members[first] = value;
  }
  const stays = new Set<number>();
  for (let i = 0; i < kept; i++) {
    const best = largest(totals);
    totals[best] = Number.NaN;
    stays.add(best);
  }
  for (let i = 0; i < rank.length; i++) if (!stays.has(Math.floor(i / size))) rank[i] = Number.NaN;
}

/** Where the largest value is, the first of equal ones; NaN is what was taken already. */
function largest(values: Float64Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) {
    if ((values[i] as number) > (values[best] as number) || Number.isNaN(values[best])) best = i;
  }
  return best;
}
