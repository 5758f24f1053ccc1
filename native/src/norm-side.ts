import type { FloatDtype, NormAxis, NormKind, NormRounding } from "@qknorm/core";
import { axisNumbers, dtypeNumbers, kindNumbers, type NativeArray, roundingNumbers } from "./numbers.ts";
import { type ParamWriter, requireObject } from "./params.ts";

/**
 * One tensor of the call: `[tokens, heads, headDim]` with the last axis dense. Offsets and strides count elements.
 * `output` with the offset and strides of `input`, on the same memory, is in place; any other shared memory is refused.
 */
export interface NormSide {
  readonly input: NativeArray;
  readonly inputOffset: number;
  readonly inputTokenStride: number;
  readonly inputHeadStride: number;
  readonly output: NativeArray;
  readonly outputOffset: number;
  readonly outputTokenStride: number;
  readonly outputHeadStride: number;
  readonly heads: number;
  /**
   * `head`, the default: each head is a row of its own. `row`: all heads of a token are one row, and follow one another
   * without gaps in input and output (their head strides are `headDim`).
   */
  readonly axis?: NormAxis;
  /** `[D]`, `[H, D]`, with axis `row` `[H*D]`, or `null` for a weightless norm; exactly that many elements. */
  readonly weight: NativeArray | null;
  readonly weightDtype: FloatDtype;
  /** 0 for `[D]` and `[H*D]`, `headDim` for `[H, D]`. */
  readonly weightHeadStride: number;
  readonly bias: NativeArray | null;
  readonly biasDtype: FloatDtype;
  readonly biasHeadStride: number;
  /** Added under the root; a finite number >= 0. */
  readonly eps: number;
  readonly kind: NormKind;
  /** 1 for families that store `w - 1`. */
  readonly weightOffset: 0 | 1;
  /** `once`: rounded at the end. `hf`: after the norm, after the product, and after the sum with a bias. */
  readonly rounding: NormRounding;
}

/** Writes the numbers of a side (`paramCounts.side` of them). Throws `ERR_QKNORM_ARGUMENT` and `ERR_QKNORM_DTYPE`. */
export function writeSide(params: ParamWriter, side: NormSide): void {
  requireObject(side, "a side");
  params
    .number(side.inputOffset, "inputOffset")
    .number(side.inputTokenStride, "inputTokenStride")
    .number(side.inputHeadStride, "inputHeadStride")
    .number(side.outputOffset, "outputOffset")
    .number(side.outputTokenStride, "outputTokenStride")
    .number(side.outputHeadStride, "outputHeadStride")
    .number(side.heads, "heads")
    .choice(dtypeNumbers, side.weightDtype, "weightDtype")
    .number(side.weightHeadStride, "weightHeadStride")
    .choice(dtypeNumbers, side.biasDtype, "biasDtype")
    .number(side.biasHeadStride, "biasHeadStride")
    .eps(side)
    .choice(kindNumbers, side.kind, "kind")
    .number(side.weightOffset, "weightOffset")
    .choice(roundingNumbers, side.rounding, "rounding")
    .choice(axisNumbers, side.axis ?? "head", "axis");
}
