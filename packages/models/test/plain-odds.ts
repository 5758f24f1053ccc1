// The definition of what tokens are drawn from, written for reading: see the docstrings of `SamplingOptions`.
import type { SamplingOptions } from "../src/generation/sampling-options.ts";

/** The probability of each token that temperature, top-k, top-p and min-p leave, ids ascending. Options are read as f32. */
export function plainOdds(
  logits: Float32Array,
  { temperature = 1, topK = 0, topP = 1, minP = 0 }: SamplingOptions,
): Map<number, number> {
  const { fround } = Math;
  const best = Math.max(...logits);
  const weight = (id: number) => Math.exp((logits[id]! - best) / fround(temperature));
  const sum = (of: readonly number[]) => of.reduce((total, id) => total + weight(id), 0);
  let ids = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b);
  if (topK > 0) {
    const last = logits[ids[Math.min(topK, ids.length) - 1]!]!;
    ids = ids.filter((id) => logits[id]! >= last);
  }
  if (topP < 1) {
    const wanted = fround(topP) * sum(ids);
    let mass = 0;
    ids = ids.filter((id, i) => {
      const keep = i === 0 || mass < wanted;
      mass += weight(id);
      return keep;
    });
  }
  ids = ids.filter((id) => weight(id) >= fround(minP)).sort((a, b) => a - b);
  const total = sum(ids);
  return new Map(ids.map((id) => [id, weight(id) / total]));
}
