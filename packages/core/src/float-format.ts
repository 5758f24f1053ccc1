import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import { assertNumber } from "./plain-argument.ts";

/** The dtypes of activations and weights that QK norm knows. bf16 and f16 travel as 16-bit patterns. */
export type FloatDtype = "f32" | "bf16" | "f16";

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of a bf16 bit pattern. Throws `ERR_QKNORM_ARGUMENT` for what is no number, as all of this file do. */
export function decodeBf16(pattern: number): number {
  assertNumber(pattern, "a bf16 pattern");
  bits[0] = pattern << 16;
  return float[0] as number;
}

/** The bf16 bit pattern nearest to a number, ties to even; rounds once, also from f64. NaN becomes a quiet NaN. */
export function encodeBf16(value: number): number {
  if (Number.isNaN(value)) return 0x7fc0;
  const odd = roundToOddF32(value);
  return ((odd + 0x7fff + ((odd >>> 16) & 1)) >>> 16) & 0xffff;
}

/** The value of an f16 (IEEE binary16) bit pattern. */
export function decodeF16(pattern: number): number {
  assertNumber(pattern, "an f16 pattern");
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >>> 10) & 0x1f;
  const fraction = pattern & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The f16 bit pattern nearest to a number, ties to even; rounds once, also from f64. NaN becomes a quiet NaN. */
export function encodeF16(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const odd = roundToOddF32(value);
  const sign = (odd >>> 16) & 0x8000;
  const exponent = ((odd >>> 23) & 0xff) - 127;
  if (exponent > 15) return sign | 0x7c00;
  const significand = (odd & 0x7fffff) | (exponent === -127 ? 0 : 0x800000);
  // Normal values drop 13 bits; below 2^-14 each step down drops one more, until nothing is left.
  const drop = exponent >= -14 ? 13 : Math.min(13 + (-14 - exponent), 25);
  const kept = significand >>> drop;
  const rest = significand - kept * 2 ** drop;
  const half = 2 ** (drop - 1);
  const up = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
  // A carry out of the significand runs into the exponent, which is right, up to infinity.
  const magnitude = exponent >= -14 ? ((exponent + 14) << 10) + kept + up : kept + up;
  return sign | magnitude;
}

/** A number rounded once to a dtype, ties to even, as a number. Throws `ERR_QKNORM_DTYPE` for any other dtype. */
export function roundTo(dtype: FloatDtype, value: number): number {
  switch (dtype) {
    case "f32":
      assertNumber(value, "a value to round");
      return Math.fround(value);
    case "bf16":
      return decodeBf16(encodeBf16(value));
    case "f16":
      return decodeF16(encodeF16(value));
    default:
      dtype satisfies never;
      throw new QkNormError(
        "ERR_QKNORM_DTYPE",
        `a float dtype is "f32", "bf16" or "f16", got ${describe(dtype)}`,
      );
  }
}

// f32 bits of a number, rounded towards zero with the lowest bit set when anything was lost. Rounding that to fewer
// bits gives what rounding the f64 itself would give (Boldo and Melquiond 2008): no double rounding.
function roundToOddF32(value: number): number {
  assertNumber(value, "a value to encode");
  const nearest = Math.fround(value);
  float[0] = nearest;
  let pattern = bits[0] as number;
  if (nearest !== value) {
    if (Math.abs(nearest) > Math.abs(value)) pattern -= 1;
    pattern |= 1;
  }
  return pattern >>> 0;
}
