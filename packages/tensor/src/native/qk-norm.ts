import type { NormSpec } from "@qknorm/core";
import { type NativeArray, type NativeDtype, type NormSide, type QkNormCall, qkNorm } from "@qknorm/native";
import type { QkNormRun } from "../kernels.ts";
import type { QkNormFit, SideFit } from "../qk-norm-fit.ts";
import type { Tensor } from "../tensor.ts";
import { exactly } from "./exactly.ts";

type Mutable<T> = { -readonly [Field in keyof T]: T[Field] };

// Between two calls: what was normalised last is not for this module to keep alive.
const nothing = new Float32Array(0);

/** The addon's call for all tensors that fit, written once: each run changes memory, offsets and tokens alone. */
export function prepareQkNorm(
  fit: QkNormFit,
  qSpec: NormSpec<Tensor>,
  kSpec: NormSpec<Tensor>,
): QkNormRun | null {
  const affine = [qSpec, kSpec].flatMap(({ weight, bias }) => [weight, bias ?? null]);
  // A dense copy of a weight would not follow the weight.
  if (affine.some((values) => values !== null && !values.contiguous)) return null;
  const q = sideOf(fit, fit.q, qSpec);
  const k = sideOf(fit, fit.k, kSpec);
  const call: Mutable<QkNormCall> = {
    dtype: fit.dtype as NativeDtype,
    headDim: fit.headDim,
    tokens: 0,
    sides: [q, k],
  };
  return (qIn, kIn, qOut, kOut, tokens) => {
    call.tokens = tokens;
    place(q, qIn, qOut);
    place(k, kIn, kOut);
    try {
      qkNorm(call);
    } finally {
      clear(q);
      clear(k);
    }
  };
}

function sideOf(fit: QkNormFit, side: SideFit, spec: NormSpec<Tensor>): Mutable<NormSide> {
  const { headDim, inPlace } = fit;
  const { heads, tokenStride, headStride } = side;
  const { weight } = spec;
  const bias = spec.bias ?? null;
  return {
    input: nothing,
    inputOffset: 0,
    inputTokenStride: tokenStride,
    inputHeadStride: headStride,
    output: nothing,
    outputOffset: 0,
    outputTokenStride: inPlace ? tokenStride : heads * headDim,
    outputHeadStride: inPlace ? headStride : headDim,
    heads,
    weight: weight && exactly(weight),
    weightDtype: (weight?.dtype ?? "f32") as NativeDtype,
    weightHeadStride: weight !== null && weight.size > headDim ? headDim : 0,
    bias: bias && exactly(bias),
    biasDtype: (bias?.dtype ?? "f32") as NativeDtype,
    biasHeadStride: bias !== null && bias.size > headDim ? headDim : 0,
    eps: spec.eps,
    kind: spec.kind,
    weightOffset: spec.weightOffset,
    rounding: spec.rounding,
  };
}

function place(side: Mutable<NormSide>, x: Tensor, out: Tensor): void {
  side.input = x.data as NativeArray;
  side.inputOffset = x.offset;
  side.output = out.data as NativeArray;
  side.outputOffset = out.offset;
}

function clear(side: Mutable<NormSide>): void {
  side.input = nothing;
  side.output = nothing;
}
