import type { TensorView } from "../../../backend.ts";
import type { GrowingTexts, TokenDraws } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { exactExp, exactLog, gumbel, philox } from "./gumbel.ts";
import { load } from "./values.ts";

const { fround } = Math;

/** Of one row. */
interface Draw {
  readonly temperature: number;
  readonly topP: number;
  readonly minP: number;
  readonly topK: number;
  readonly seed: readonly [low: number, high: number];
  readonly counter: number;
}

/** Each text of B goes on with a token drawn by its `logits [B, V]`: kernels/sample.cu, with sorting. */
export function sample(
  logits: TensorView,
  { ids, positions, log }: GrowingTexts<TensorView>,
  { settings, keys, counters, seen }: TokenDraws<TensorView>,
): void {
  const [rows, width] = logits.shape as [number, number];
  const places = log.shape[1] as number;
  const values = new Float32Array(width);
  const number = (x: TensorView, i: number): number => dataOf(x)[x.offset + i] as number;
  for (let row = 0; row < rows; row++) {
    load(logits, logits.offset + row * (logits.strides[0] as number), width, values);
    const [temperature, topP, minP, ...penalties] = Array.from({ length: 6 }, (_, i) =>
      number(settings, 6 * row + i),
    ) as [number, number, number, number, number, number];
    const [topK, low, high] = [0, 1, 2].map((i) => number(keys, 3 * row + i)) as [number, number, number];
    const counts = seen && dataOf(seen).subarray(seen.offset + row * width, seen.offset + (row + 1) * width);
    if (counts !== null) penalize(values, counts as Int32Array, penalties);
    const counter = number(counters, row);
    const token = drawn(values, { temperature, topP, minP, topK, seed: [low, high], counter });
    if (counts !== null && token >= 0) counts[token] = (counts[token] as number) + 2;
    const place = Math.min(Math.max(number(positions, row), 0), places - 1);
    dataOf(ids)[ids.offset + row] = Math.max(token, 0);
    dataOf(log)[log.offset + row * places + place] = token;
    dataOf(positions)[positions.offset + row] = Math.min(place + 1, places - 1);
  }
}

/** Of the tokens that were seen, and of those that were drawn, once and by how often. */
function penalize(
  values: Float32Array,
  counts: Int32Array,
  [repetition, presence, frequency]: readonly [number, number, number],
): void {
  for (const [id, count] of counts.entries()) {
    const x = values[id] as number;
    if (count > 0) values[id] = x < 0 ? x * repetition : x / repetition;
    if (count > 1) values[id] = (values[id] as number) - fround(presence + fround(frequency * (count >> 1)));
  }
}

/** -1 where there is a NaN, or the largest is infinite. */
function drawn(values: Float32Array, { temperature, topP, minP, topK, seed, counter }: Draw): number {
  const largest = values.reduce(
    (most, x) => (x > most || Number.isNaN(x) ? x : most),
    Number.NEGATIVE_INFINITY,
  );
  if (!Number.isFinite(largest) || values.some(Number.isNaN)) return -1;
  if (temperature <= 0) return values.indexOf(largest);
  const place = (id: number): number => fround(fround((values[id] as number) - largest) / temperature);
  const floor = minP > 0 ? exactLog(minP) : Number.NEGATIVE_INFINITY;
  let best = Number.NEGATIVE_INFINITY;
  let token = -1;
  for (const id of likeliest(massed(kept(values, topK), topP), place, topP)) {
    const z = place(id);
    if (z < floor) continue;
    const words = philox([id >> 2, counter, 0, 0], seed);
    const score = fround(z + gumbel(words[id % 4] as number));
    if (score < best || (score === best && id > token)) continue;
    [best, token] = [score, id];
  }
  return token;

  /** Likeliest first where top-p asks for it, of equal ones the lowest id. */
  function massed(of: number[], share: number): number[] {
    if (share >= 1) return of;
    return of.sort((a, b) => (values[b] as number) - (values[a] as number) || a - b);
  }
}

/** The k largest, and ties with the last of them; without k all that are finite. */
function kept(values: Float32Array, k: number): number[] {
  const least = k > 0 && k < values.length ? (values.slice().sort()[values.length - k] as number) : -Infinity;
  const ids: number[] = [];
  for (const [id, x] of values.entries()) if (x >= least && x > Number.NEGATIVE_INFINITY) ids.push(id);
  return ids;
}

/** As long as those in front have less than so much of the mass, which is counted in whole units of 2^-31 of the first's. */
function likeliest(ids: readonly number[], place: (id: number) => number, topP: number): readonly number[] {
  if (topP >= 1) return ids;
  const masses = ids.map((id) => (place(id) < -22 ? 0 : Math.floor(exactExp(place(id)) * 2 ** 31)));
  const wanted = topP * masses.reduce((sum, mass) => sum + mass, 0);
  let above = 0;
  const end = masses.findIndex((mass, i) => {
    const out = i > 0 && above >= wanted;
    above += mass;
    return out;
  });
  return end < 0 ? ids : ids.slice(0, end);
}
