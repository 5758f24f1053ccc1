import { QkNormError } from "@qknorm/core";
import { type Cutoff, epsilonCutoff, etaCutoff, typicalCutoff } from "./sampling-cutoffs.ts";
import type { Sampling } from "./sampling-options.ts";

/** Ids share a double with 32 bits of logit, so that a plain numeric sort orders both. */
const ID_SPAN = 2 ** 21;

/** Widths, in units of the temperature, of the band below the best logit in which the top-p set is looked for. */
const BANDS = [1, 2, 4, 8, 16, 32];

/**
 * Chooses the tokens that may be drawn, as transformers' warpers do and in their order: temperature, top-k, top-p,
 * min-p, typical-p, epsilon, eta (`generation/logits_process.py`). Keeps its scratch memory from call to call.
 */
export class SamplingFilter {
  readonly #sampling: Omit<Sampling, "seed">;
  readonly #cutoffs: readonly Cutoff[];
  #ids = new Uint32Array(0);
  #weights = new Float64Array(0);
  #keys = new Float64Array(0);
  #count = 0;

  constructor(sampling: Omit<Sampling, "seed">) {
    this.#sampling = sampling;
    this.#cutoffs = cutoffsOf(sampling);
  }

  /** The token at `point`, in [0, 1), of the kept tokens laid out by probability. `best` is the largest logit. */
  draw(logits: Float32Array, best: number, point: number): number {
    this.#keep(logits, best);
    let left = point * sum(this.#weights, this.#count);
    let last = 0;
    for (let i = 0; i < this.#count; i++) {
      const weight = this.#weights[i]!;
      if (weight === 0) continue;
      last = i;
      left -= weight;
      if (left < 0) break;
    }
    return this.#ids[last]!;
  }

  /** The probability of each kept token, ids ascending: what `draw` draws from. */
  distribution(logits: Float32Array, best: number): Map<number, number> {
    this.#keep(logits, best);
    const total = sum(this.#weights, this.#count);
    const kept = [...this.#ids.subarray(0, this.#count)].map(
      (id, i) => [id, this.#weights[i]! / total] as const,
    );
    return new Map(kept.sort(([a], [b]) => a - b));
  }

  #keep(logits: Float32Array, best: number): void {
    const { temperature, topK, topP, minP } = this.#sampling;
    this.#reserve(logits.length);
    this.#takeFrom(logits, topK > 0 ? kthLargest(logits, topK) : -Infinity);
    for (let i = 0; i < this.#count; i++)
      this.#weights[i] = Math.exp((logits[this.#ids[i]!]! - best) / temperature);
    if (topP < 1) this.#cutTail(logits, topP);
    if (minP > 0) this.#dropBelow(minP);
    for (const cutoff of this.#cutoffs) this.#cut(cutoff);
  }

  #cut(cutoff: Cutoff): void {
    const stays = cutoff(this.#weights.subarray(0, this.#count));
    let count = 0;
    for (let i = 0; i < this.#count; i++) {
      if (stays[i] === 0) continue;
      this.#ids[count] = this.#ids[i]!;
      this.#weights[count++] = this.#weights[i]!;
    }
    this.#count = count;
  }

  #reserve(length: number): void {
    if (this.#ids.length === length) return;
    if (length > ID_SPAN) {
      throw new QkNormError(
        "ERR_GENERATION",
        `cannot sample from ${length} logits; at most ${ID_SPAN} are supported`,
      );
    }
    this.#ids = new Uint32Array(length);
    this.#weights = new Float64Array(length);
    this.#keys = new Float64Array(length);
  }

  #takeFrom(logits: Float32Array, threshold: number): void {
    let count = 0;
    for (let id = 0; id < logits.length; id++) {
      const logit = logits[id]!;
      if (logit >= threshold && logit > -Infinity) this.#ids[count++] = id;
    }
    this.#count = count;
  }

  /** Keeps a token if those more likely than it have less than `topP` of the probability; of equals the lowest ids. */
  #cutTail(logits: Float32Array, topP: number): void {
    const wanted = topP * sum(this.#weights, this.#count);
    // Sorting is the cost: narrow to a band that is sure to hold the answer first.
    for (const band of BANDS) {
      const lowest = Math.exp(-band);
      let mass = 0;
      for (let i = 0; i < this.#count; i++) if (this.#weights[i]! >= lowest) mass += this.#weights[i]!;
      if (mass < wanted) continue;
      this.#dropBelow(lowest);
      break;
    }
    this.#sortByLogit(logits);
    let mass = 0;
    let kept = 0;
    while (kept < this.#count && (kept === 0 || mass < wanted)) mass += this.#weights[kept++]!;
    this.#count = kept;
  }

  #dropBelow(lowest: number): void {
    let count = 0;
    for (let i = 0; i < this.#count; i++) {
      if (this.#weights[i]! < lowest) continue;
      this.#ids[count] = this.#ids[i]!;
      this.#weights[count++] = this.#weights[i]!;
    }
    this.#count = count;
  }

  #sortByLogit(logits: Float32Array): void {
    const ids = this.#ids.slice(0, this.#count);
    const weights = this.#weights.slice(0, this.#count);
    const keys = this.#keys.subarray(0, this.#count);
    for (let i = 0; i < keys.length; i++) keys[i] = descendingRank(logits[ids[i]!]!) * ID_SPAN + i;
    keys.sort();
    for (let i = 0; i < keys.length; i++) {
      const from = keys[i]! % ID_SPAN;
      this.#ids[i] = ids[from]!;
      this.#weights[i] = weights[from]!;
    }
  }
}

function cutoffsOf(sampling: Omit<Sampling, "seed">): readonly Cutoff[] {
  const cutoffs: Cutoff[] = [];
  if (sampling.typicalP < 1) cutoffs.push(typicalCutoff(sampling.typicalP));
  if (sampling.epsilonCutoff > 0) cutoffs.push(epsilonCutoff(sampling.epsilonCutoff));
  if (sampling.etaCutoff > 0) cutoffs.push(etaCutoff(sampling.etaCutoff));
  return cutoffs;
}

function sum(values: Float64Array, count: number): number {
  let total = 0;
  for (let i = 0; i < count; i++) total += values[i]!;
  return total;
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** A 32-bit unsigned integer, smaller for larger logits, equal for equal ones. */
function descendingRank(logit: number): number {
  float[0] = logit + 0; // -0 ranks with 0
  const pattern = bits[0]!;
  return pattern >>> 31 === 1 ? pattern : 0x7fffffff - pattern;
}

/** The k-th largest value, or the smallest if there are fewer: a min-heap of the k largest so far, so one comparison for most values. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i);
  for (let i = k; i < values.length; i++) {
    if (values[i]! <= heap[0]!) continue;
    heap[0] = values[i]!;
    sink(heap, 0);
  }
  return heap[0]!;
}

function sink(heap: Float32Array, from: number): void {
  const value = heap[from]!;
  let at = from;
  for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child++;
    if (heap[child]! >= value) break;
    heap[at] = heap[child]!;
    at = child;
  }
  heap[at] = value;
}
