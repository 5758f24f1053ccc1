import { assertNormSpec, type NormRounding, type NormSpec } from "@qknorm/core";
import { assertObject } from "../plain-argument.ts";
import { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { add } from "./add.ts";
import {
  asRows,
  backendOfAll,
  checkAffine,
  requireRounding,
  requireShape,
  requireTensor,
  withLast,
} from "./checks.ts";
import { linear } from "./linear.ts";
import { normalize } from "./normalize.ts";
import { siluMul } from "./silu-mul.ts";

export interface ProjectOptions {
  /** Of x, over its last axis. */
  readonly norm?: NormSpec<Tensor> | null | undefined;
  /** `[N]`, or `[2I]`. */
  readonly bias?: Tensor | null | undefined;
  /** The weight is `[2I, K]`, gates first, and the result `silu(gate) * up [..., I]`: the rounding of `siluMul`. */
  readonly swiglu?: NormRounding | null | undefined;
  /** Of the result's shape and dtype, added last. */
  readonly residual?: Tensor | null | undefined;
}

/**
 * A linear layer with what stands around it, `x [..., K] -> [..., N]`: by definition
 *
 *     add(residual, siluMul(linear(normalize(x, norm), weight, bias), swiglu))
 *
 * without the steps that are not asked for, and with the roundings of each. A device may compute it in one launch for few
 * rows, with the same bits.
 *
 * Throws what the ops of its definition do, before anything is computed.
 */
export function project(x: Tensor, weight: Tensor, options: ProjectOptions = {}): Tensor {
  assertObject(options, "the options of project");
  const { norm = null, bias = null, swiglu = null, residual = null } = options;
  if (norm === null && swiglu === null && residual === null) return linear(x, weight, bias);
  const shape = checkedShape(x, weight, { norm, bias, swiglu, residual });
  const backend = backendOfAll({
    x,
    weight,
    bias,
    residual,
    "the norm's weight": norm?.weight ?? null,
    "the norm's bias": norm?.bias ?? null,
  });
  const { project: fused } = backend.ops;
  if (fused !== undefined) {
    const out = Tensor.empty(shape, x.dtype, x.device);
    if (out.size === 0) return out;
    const done = tidy(() =>
      fused(asRows(x), asRows(weight), asRows(out), {
        norm,
        swiglu,
        bias: bias?.toContiguous() ?? null,
        residual: residual && asRows(residual),
      }),
    );
    if (done) return out;
    out.dispose();
  }
  return tidy(() => {
    const product = linear(norm === null ? x : normalize(x, norm), weight, bias);
    const gated = swiglu === null ? product : siluMul(product, swiglu);
    return residual === null ? gated : add(residual, gated);
  });
}

/** The shape of the result. */
function checkedShape(
  x: Tensor,
  weight: Tensor,
  { norm, bias, swiglu, residual }: Required<ProjectOptions>,
): readonly number[] {
  requireTensor(x, "x");
  requireTensor(weight, "weight");
  requireShape(
    weight.shape.length === 2 && x.shape.length >= 1 && x.shape.at(-1) === weight.shape[1],
    "project needs x [..., K] and weight [N, K]",
    { x, weight },
  );
  const outputs = weight.dim(0);
  if (norm !== null) {
    assertNormSpec(norm, "given");
    checkAffine(norm, weight.dim(1), 1, "the");
  }
  if (bias !== null) {
    requireTensor(bias, "bias");
    requireShape(bias.shape.length === 1 && bias.dim(0) === outputs, "bias must be [N]", { weight, bias });
  }
  if (swiglu !== null) {
    requireRounding(swiglu);
    requireShape(outputs % 2 === 0, "the weight must hold gates and ups in equal numbers", { weight });
  }
  const shape = withLast(x.shape, swiglu !== null ? outputs / 2 : outputs);
  if (residual !== null) {
    requireTensor(residual, "residual", [x.dtype]);
    const fits = residual.shape.length === shape.length && residual.shape.every((dim, i) => dim === shape[i]);
    if (!fits)
      requireShape(false, `residual must be of the result's shape [${shape.join(", ")}]`, { residual });
  }
  return shape;
}
