import { exactExp, exactLog, gumbel, gumbelBound, MOST_GUMBEL, philox } from "./gumbel.ts";

const { fround } = Math;

/** What may come next: of all tokens those that are left. Numbers are f32. */
export interface TokenCuts {
  /** Above 0. */
  readonly temperature: number;
  /** The k likeliest, and ties with the last of them; 0 keeps all. */
  readonly topK: number;
  /** The likeliest until they have this mass, of equal ones the lowest ids; 1 keeps all. */
  readonly topP: number;
  /** Those at least so likely, of the likeliest; 0 keeps all. */
  readonly minP: number;
}

/** Tokens that may come next. */
export interface LikelyTokens {
  /** Ascending. */
  readonly ids: Uint32Array;
  /** What each one's logit is below the largest, over the temperature: at most 0. */
  readonly scores: Float32Array;
}

/** Less likely tokens count nothing in a mass. */
const LEAST_SCORE = -22;

/**
 * What the cuts leave of the tokens of `logits [V]`, finite or -Infinity, of which `largest` is the largest: kernels/sample.cu.
 * Masses are whole units of 2^-31 of the likeliest token's, so that no order of additions changes them.
 */
export function likelyTokens(logits: Float32Array, largest: number, cuts: TokenCuts): LikelyTokens {
  const { temperature, topK, topP, minP } = cuts;
  const least = topK > 0 && topK < logits.length ? kthLargest(logits, topK) : Number.NEGATIVE_INFINITY;
  const ids = new Uint32Array(logits.length);
  const scores = new Float32Array(logits.length);
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id] as number;
    if (logit < least || logit === Number.NEGATIVE_INFINITY) continue;
    ids[count] = id;
    scores[count++] = fround(logit - largest) / temperature;
  }
  let left: LikelyTokens = { ids: ids.subarray(0, count), scores: scores.subarray(0, count) };
  if (topP < 1) left = massed(left, topP, logits);
  if (minP === 0) return left;
  const floor = exactLog(minP);
  return tokensWhere(left, (_, score) => score >= floor);
}

/** A token stays if those in front of it have less than so much of the mass. */
function massed(tokens: LikelyTokens, topP: number, logits: Float32Array): LikelyTokens {
  const { ids, scores } = tokens;
  const values = new Float32Array(ids.length);
  const masses = new Float64Array(ids.length);
  let total = 0;
  for (let i = 0; i < ids.length; i++) {
    const score = scores[i] as number;
    values[i] = logits[ids[i] as number] as number;
    masses[i] = score < LEAST_SCORE ? 0 : Math.floor(exactExp(score) * 2 ** 31);
    total += masses[i] as number;
  }
  let { last, equals } = lastWithin(values, masses, topP * total);
  return tokensWhere(tokens, (id) => {
    const logit = logits[id] as number;
    return logit > last || (logit === last && equals-- > 0);
  });
}

/**
 * The last value that has less than so much mass in front of it, the largest being first, and how many of those that equal it
 * have. Partitions what can hold it around one value after the other, in place, as quickselect does (Hoare 1961).
 */
function lastWithin(
  values: Float32Array,
  masses: Float64Array,
  wanted: number,
): { last: number; equals: number } {
  let [low, high, above] = [0, values.length, 0];
  for (;;) {
    const pivot = values[(low + high) >>> 1] as number;
    let [larger, at, smaller, mass] = [low, low, high, 0];
    while (at < smaller) {
      const value = values[at] as number;
      if (value > pivot) {
        mass += masses[at] as number;
        swap(at++, larger++);
      } else if (value < pivot) swap(at, --smaller);
      else at += 1;
    }
    if (larger > low && above + mass >= wanted) {
      high = larger;
      continue;
    }
    above += mass;
    let equals = 0;
    while (larger + equals < smaller && (above === 0 || above < wanted))
      above += masses[larger + equals++] as number;
    if (above >= wanted || smaller === high) return { last: pivot, equals };
    low = smaller;
  }

  function swap(i: number, j: number): void {
    const [value, mass] = [values[i] as number, masses[i] as number];
    values[i] = values[j] as number;
    masses[i] = masses[j] as number;
    values[j] = value;
    masses[j] = mass;
  }
}

/** Those of which a test holds. */
export function tokensWhere(
  { ids, scores }: LikelyTokens,
  stays: (id: number, score: number, index: number) => boolean,
): LikelyTokens {
  const left = { ids: new Uint32Array(ids.length), scores: new Float32Array(ids.length) };
  let count = 0;
  for (let i = 0; i < ids.length; i++) {
    const [id, score] = [ids[i] as number, scores[i] as number];
    if (!stays(id, score, i)) continue;
    left.ids[count] = id;
    left.scores[count++] = score;
  }
  return { ids: left.ids.subarray(0, count), scores: left.scores.subarray(0, count) };
}

const random = new Uint32Array(4);

/**
 * One of the tokens, at least one, as likely as its score says: that with the largest sum of score and Gumbel number (Gumbel
 * 1954), of equal ones the lowest id. The numbers are Philox's of the seed's halves and the counter, by id.
 */
export function drawToken(
  { ids, scores }: LikelyTokens,
  seed: readonly [low: number, high: number],
  counter: number,
): number {
  let best = Number.NEGATIVE_INFINITY;
  let token = -1;
  let group = -1;
  for (let i = 0; i < ids.length; i++) {
    const score = scores[i] as number;
    // Most cannot win, whatever their number is.
    if (score + MOST_GUMBEL < best) continue;
    const id = ids[i] as number;
    if (id >>> 2 !== group) {
      group = id >>> 2;
      philox([group, counter, 0, 0], seed, random);
    }
    const word = random[id & 3] as number;
    if (score + gumbelBound(word) < best) continue;
    const sum = fround(score + gumbel(word));
    if (sum <= best) continue;
    best = sum;
    token = id;
  }
  return token;
}

/** The k-th largest value: a min-heap of the k largest so far, so one comparison for most values. */
function kthLargest(values: Float32Array, k: number): number {
  const heap = values.slice(0, k);
  for (let i = (k >> 1) - 1; i >= 0; i--) sink(heap, i);
  for (let i = k; i < values.length; i++) {
    if ((values[i] as number) <= (heap[0] as number)) continue;
    heap[0] = values[i] as number;
    sink(heap, 0);
  }
  return heap[0] as number;
}

function sink(heap: Float32Array, from: number): void {
  const value = heap[from] as number;
  let at = from;
  for (let child = 2 * at + 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && (heap[child + 1] as number) < (heap[child] as number)) child++;
    if ((heap[child] as number) >= value) break;
    heap[at] = heap[child] as number;
    at = child;
  }
  heap[at] = value;
}
