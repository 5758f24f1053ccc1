import type { NormSpec } from "@qknorm/core";
import { type NativeArray, type NativeDtype, type NormSide as NativeSide, qkNorm } from "@qknorm/native";
import type { NormSide } from "../kernels.ts";
import type { Tensor } from "../tensor.ts";
import { exactly } from "./exactly.ts";

/** QK norm of one or two tensors in one call of the addon. */
export function normalize(sides: readonly NormSide[]): void {
  const [q, k] = sides as [NormSide, NormSide?];
  const [tokens, , headDim] = q.x.shape as [number, number, number];
  const dtype = q.x.dtype as NativeDtype;
  qkNorm({
    dtype,
    headDim,
    tokens,
    sides: k === undefined ? [nativeSide(q)] : [nativeSide(q), nativeSide(k)],
  });
}

function nativeSide({ x, out, spec }: NormSide): NativeSide {
  const headDim = x.shape[2] as number;
  const { weight } = spec as NormSpec<Tensor>;
  const bias = spec.bias ?? null;
  return {
    input: x.data as NativeArray,
    inputOffset: x.offset,
    inputTokenStride: x.strides[0] as number,
    inputHeadStride: x.strides[1] as number,
    output: out.data as NativeArray,
    outputOffset: out.offset,
    outputTokenStride: out.strides[0] as number,
    outputHeadStride: out.strides[1] as number,
    heads: x.shape[1] as number,
    weight: weight && exactly(weight),
    weightDtype: dtypeOf(weight),
    weightHeadStride: weight !== null && weight.size > headDim ? headDim : 0,
    bias: bias && exactly(bias),
    biasDtype: dtypeOf(bias),
    biasHeadStride: bias !== null && bias.size > headDim ? headDim : 0,
    eps: spec.eps,
    kind: spec.kind,
    weightOffset: spec.weightOffset,
    rounding: spec.rounding,
  };
}

function dtypeOf(tensor: Tensor | null): NativeDtype {
  return (tensor?.dtype ?? "f32") as NativeDtype;
}
