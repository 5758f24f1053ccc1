import type { FloatDtype } from "@qknorm/core";

/** Bytes that addresses and strides are multiples of: the widest access a kernel may use. */
export type Alignment = 16 | 8 | 4 | 2;

/** The widest access that all of these byte offsets and strides allow. */
export function alignmentOf(...bytes: readonly number[]): Alignment {
  for (const alignment of [16, 8, 4] as const) {
    if (bytes.every((n) => n % alignment === 0)) return alignment;
  }
  return 2;
}

/** Bytes of an element. */
export function bytesOf(dtype: FloatDtype): number {
  return dtype === "f32" ? 4 : 2;
}
