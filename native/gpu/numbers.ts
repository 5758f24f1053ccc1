// Numbers in the formats of the kernels, on the host.
import { decodeBf16, decodeF16, encodeBf16, encodeF16, type FloatDtype, roundTo } from "@qknorm/core";

/** Bit patterns: of f32 in 32 bits, of the others in 16. */
export type Bits = Uint16Array | Uint32Array;

export function sizeOf(dtype: FloatDtype): number {
  return dtype === "f32" ? 4 : 2;
}

export function decoder(dtype: FloatDtype): (bits: number) => number {
  return { bf16: decodeBf16, f16: decodeF16, f32: decodeF32 }[dtype];
}

/** `length` values, each rounded once. */
export function encodeAll(dtype: FloatDtype, length: number, next: (i: number) => number): Bits {
  const encode = { bf16: encodeBf16, f16: encodeF16, f32: encodeF32 }[dtype];
  const bits = dtype === "f32" ? new Uint32Array(length) : new Uint16Array(length);
  for (let i = 0; i < length; i++) bits[i] = encode(next(i));
  return bits;
}

/** How many numbers of a 16-bit format lie from a pattern to a value. */
export function steps(bits: number, dtype: "bf16" | "f16", value: number): number {
  const encode = { bf16: encodeBf16, f16: encodeF16 }[dtype];
  return Math.abs(ordered(bits) - ordered(encode(value)));
}

/** Normal values (Box and Muller), the same for one seed. */
export function normal(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

const scratch = new DataView(new ArrayBuffer(4));

function decodeF32(bits: number): number {
  scratch.setUint32(0, bits);
  return scratch.getFloat32(0);
}

function encodeF32(value: number): number {
  scratch.setFloat32(0, roundTo("f32", value));
  return scratch.getUint32(0);
}

function ordered(bits: number): number {
  return bits & 0x8000 ? -(bits & 0x7fff) : bits;
}
