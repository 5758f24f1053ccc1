import type { NativeDtype } from "../binding.ts";

/** Bytes that addresses and strides are multiples of: the widest access a kernel may use. */
export type Alignment = 16 | 8 | 4 | 2;

/**
 * What the norm kernels are specialised for. All calls of one form run the same code, on any device of one
 * architecture; q and k share a launch only if they have one form.
 *
 *     rms:    n = x / sqrt(mean(x^2) + eps)
 *     layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
 *     l2:     n = x / sqrt(sum(x^2) + eps)
 *     y = n * (weightOffset + weight) + bias
 */
export interface CudaNormForm {
  /** Elements of a row that is normalised: the head dim, or of a norm over all heads their number times it. */
  readonly headDim: number;
  /** Of x and y. */
  readonly dtype: NativeDtype;
  readonly kind: "rms" | "layer" | "l2";
  /** The dtype of the weights; `null`: a factor of 1, without the offset. */
  readonly weight: NativeDtype | null;
  /** The dtype of the biases, which is that of the weights where there are any; `null`: none. */
  readonly bias: NativeDtype | null;
  readonly weightOffset: 0 | 1;
  readonly rounding: "once" | "hf";
  /** y is x: the outputs are not bound, and their strides not read. */
  readonly inPlace: boolean;
  /** Of the addresses and strides of x and y; at least 4 for f32. */
  readonly alignment: Alignment;
  /** Of the addresses and the head strides of weights and biases; at least 4 for f32. */
  readonly weightAlignment: Alignment;
}

/** One tensor `[T, H, D]` of a launch; the last axis is dense. Strides are in bytes and not negative. */
export interface CudaNormSide {
  readonly heads: number;
  /** Added under the root; a finite number >= 0. */
  readonly eps: number;
  readonly tokenStride: number;
  readonly headStride: number;
  readonly outTokenStride?: number;
  readonly outHeadStride?: number;
  /** Between the rows of a weight (and a bias) `[H, D]`; 0, the default, for `[D]`. */
  readonly weightHeadStride?: number;
}

/** The widest access that all of these byte offsets and strides allow. */
export function alignmentOf(...bytes: readonly number[]): Alignment {
  for (const alignment of [16, 8, 4] as const) {
    if (bytes.every((n) => n % alignment === 0)) return alignment;
  }
  return 2;
}
