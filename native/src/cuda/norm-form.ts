import { type FloatDtype, type NormKind, type NormRounding, QkNormError } from "@qknorm/core";
import { dtypeNumbers, kindNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, bytesOf } from "./alignment.ts";

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
  readonly dtype: FloatDtype;
  readonly kind: NormKind;
  /** The dtype of the weights; `null`: a factor of 1, without the offset. */
  readonly weight: FloatDtype | null;
  /** The dtype of the biases, which is that of the weights where there are any; `null`: none. */
  readonly bias: FloatDtype | null;
  readonly weightOffset: 0 | 1;
  readonly rounding: NormRounding;
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

/** The macros that both norm kernels take, equal for forms that compute the same. Throws as `CudaQkNorm` does. */
export function formMacros(form: CudaNormForm): Record<string, number> {
  const { dtype, weight, bias, inPlace } = form;
  const affine = weight ?? bias;
  if (weight !== null && bias !== null && weight !== bias) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `weights of ${weight} and biases of ${bias} have no kernel`);
  }
  return {
    QK_DTYPE: numberIn(dtypeNumbers, dtype, "dtype"),
    QK_WEIGHT: weight === null ? 0 : 1,
    QK_BIAS: bias === null ? 0 : 1,
    QK_WEIGHT_DTYPE: numberIn(dtypeNumbers, affine ?? dtype, "the weights' dtype"),
    QK_KIND: numberIn(kindNumbers, form.kind, "kind"),
    QK_OFFSET: weight === null ? 0 : numberIn({ 0: 0, 1: 1 }, form.weightOffset, "weightOffset"),
    QK_HF: numberIn(roundingNumbers, form.rounding, "rounding"),
    QK_IN_PLACE: inPlace ? 1 : 0,
    QK_ALIGN: alignmentFor(dtype, form.alignment, "alignment"),
    QK_WEIGHT_ALIGN: affine === null ? 16 : alignmentFor(affine, form.weightAlignment, "weightAlignment"),
  };
}

function numberIn(numbers: Readonly<Record<PropertyKey, number>>, name: PropertyKey, what: string): number {
  const found = Object.hasOwn(numbers, name) ? numbers[name] : undefined;
  if (found !== undefined) return found;
  const code = what.endsWith("dtype") ? "ERR_QKNORM_DTYPE" : "ERR_QKNORM_ARGUMENT";
  throw new QkNormError(
    code,
    `${what} must be one of ${Object.keys(numbers).join(", ")}, got ${String(name)}`,
  );
}

function alignmentFor(dtype: FloatDtype, alignment: Alignment, what: string): Alignment {
  if ([16, 8, 4, 2].includes(alignment) && alignment >= bytesOf(dtype)) return alignment;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${what} of ${dtype} cannot be ${String(alignment)}`);
}
