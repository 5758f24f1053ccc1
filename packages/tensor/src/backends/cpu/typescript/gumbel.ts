// Random numbers by their place, and what is drawn from them: kernels/philox.cuh, operation by operation, each rounded to f32.
const { fround, imul } = Math;

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** Upper half of a product of two 32-bit numbers. */
function multiplyHigh(a: number, b: number): number {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const middle = (imul(aHigh, bLow) >>> 0) + (imul(aLow, bLow) >>> 16);
  const lower = (imul(aLow, bHigh) >>> 0) + (middle & 0xffff);
  return imul(aHigh, bHigh) + (middle >>> 16) + (lower >>> 16);
}

/** Philox4x32-10 (Salmon et al. 2011): the four 32-bit numbers of a counter, `into` an array of four. */
export function philox(
  counter: readonly [number, number, number, number],
  key: readonly [number, number],
  into: Uint32Array,
): void {
  let [a, b, c, d] = counter;
  let [low, high] = key;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, a);
    const high1 = multiplyHigh(0xcd9e8d57, c);
    const [low0, low1] = [imul(0xd2511f53, a), imul(0xcd9e8d57, c)];
    a = high1 ^ b ^ low;
    b = low1;
    c = high0 ^ d ^ high;
    d = low0;
    low = (low + 0x9e3779b9) | 0;
    high = (high + 0xbb67ae85) | 0;
  }
  into[0] = a;
  into[1] = b;
  into[2] = c;
  into[3] = d;
}

const logFactors = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(fround);
const expFactors = [
  1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1,
].map(fround);
const [LOW_LOG2, HIGH_LOG2, LOG2_E, ROOT_HALF] = [-2.1219444e-4, 0.693359375, Math.LOG2E, Math.SQRT1_2].map(
  fround,
) as [number, number, number, number];

function polynomial(x: number, factors: readonly number[]): number {
  let sum = factors[0] as number;
  for (let i = 1; i < factors.length; i++) sum = fround(fround(sum * x) + (factors[i] as number));
  return sum;
}

/** The logarithm of a normal f32 above 0, to 2 ulp. The factors are those of Cephes (Moshier, logf). */
export function exactLog(x: number): number {
  float[0] = x;
  const bits = word[0] as number;
  let exponent = (bits >>> 23) - 126;
  word[0] = (bits & 0x007fffff) | 0x3f000000;
  let m = float[0] as number;
  if (m < ROOT_HALF) {
    exponent -= 1;
    m = fround(m + m);
  }
  m = fround(m - 1);
  const square = fround(m * m);
  let y = fround(fround(polynomial(m, logFactors) * m) * square);
  y = fround(y + fround(exponent * LOW_LOG2));
  y = fround(y - fround(square * 0.5));
  return fround(fround(m + y) + fround(exponent * HIGH_LOG2));
}

/** exp of an f32 from -80 to 0, to 2 ulp. The factors are those of Cephes (expf). */
export function exactExp(given: number): number {
  const n = Math.floor(fround(fround(given * LOG2_E) + 0.5));
  const x = fround(fround(given - fround(n * HIGH_LOG2)) - fround(n * LOW_LOG2));
  const y = fround(fround(fround(polynomial(x, expFactors) * fround(x * x)) + x) + 1);
  return fround(y * 2 ** n);
}

/** -log(-log(u)) of the uniform u that a random word stands for, both ends of which are told apart as finely. */
export function gumbel(random: number): number {
  const upper = random >>> 31 === 1;
  const u = fround(fround(fround(upper ? ~random >>> 0 : random) + 0.5) * 2 ** -32);
  if (!upper) return -exactLog(-exactLog(u));
  const rest = fround(1 - u); // log1p as Kahan has it
  return -exactLog(rest === 1 ? u : fround(fround(exactLog(rest) * u) / fround(rest - 1)));
}

/** Above every Gumbel number. */
export const MOST_GUMBEL = 33 * Math.LN2 + 0.01;

/**
 * Above `gumbel(random)`, and cheap: with `r` for how far u is from 1, -log(-log(1 - r)) <= -log(r), whose whole part in
 * powers of 2 the leading zeros tell.
 */
export function gumbelBound(random: number): number {
  return (1 + Math.clz32(~random)) * Math.LN2 + 0.01;
}
