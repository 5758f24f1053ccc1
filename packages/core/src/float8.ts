import { decodeBf16 } from "./float-format.ts";
import { assertNumber } from "./plain-argument.ts";

/** The largest finite value of e4m3. */
export const largestE4m3 = 448;

/**
 * The value of an 8-bit pattern in e4m3 of the OCP (8-bit floating point specification, 2023): bias 7, no infinity, NaN
 * at S.1111.111 alone. The flavour "fnuz" of other hardware has bias 8 and NaN at minus zero. Throws `ERR_QKNORM_ARGUMENT`
 * for what is no number, as all of this file do.
 */
export function decodeE4m3(pattern: number): number {
  assertNumber(pattern, "an e4m3 pattern");
  return values[pattern & 0xff] as number;
}

/** The e4m3 pattern nearest to a number, ties to even. What is larger than 448 becomes 448; NaN stays one. */
export function encodeE4m3(value: number): number {
  assertNumber(value, "a value to encode");
  if (Number.isNaN(value)) return 0x7f;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.abs(value);
  if (magnitude >= largestE4m3) return sign | 0x7e;
  // Below 2^-6 all steps are 2^-9; above, an eighth of the power of two.
  const exponent = magnitude < 2 ** -6 ? -6 : Math.floor(Math.log2(magnitude));
  const steps = magnitude / 2 ** (exponent - 3);
  const below = Math.floor(steps);
  const rest = steps - below;
  const up = rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? 1 : 0;
  // A carry runs into the exponent, which is right.
  return sign | (((exponent + 6) << 3) + below + up);
}

/**
 * The scale of a row that is stored in e4m3, in f32: its largest finite magnitude over 448, so that nothing of it
 * saturates. NaN counts as nothing, an infinity as the largest f32, and a row of zeros gets a scale above 0.
 */
export function scaleE4m3(largestMagnitude: number): number {
  assertNumber(largestMagnitude, "a magnitude");
  return Math.fround(bounded(largestMagnitude) / largestE4m3);
}

const largestF32 = (2 - 2 ** -23) * 2 ** 127;

function bounded(magnitude: number): number {
  return Math.min(Math.max(magnitude, 2 ** -96), largestF32);
}

const values = Float32Array.from({ length: 256 }, (_, pattern) => {
  const sign = pattern >= 0x80 ? -1 : 1;
  const exponent = (pattern >>> 3) & 15;
  const fraction = pattern & 7;
  if (exponent === 15 && fraction === 7) return decodeBf16(0x7fc0);
  return sign * (exponent === 0 ? fraction * 2 ** -9 : (1 + fraction / 8) * 2 ** (exponent - 7));
});
