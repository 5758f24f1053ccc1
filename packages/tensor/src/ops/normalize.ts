import { assertNormSpec, formatShape, type NormSpec, QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import { Tensor } from "../tensor.ts";
import { requireTensor } from "./checks.ts";

/**
 * One normalisation over the last axis, out of place. With axis `head` and a weight `[H, D]`, x is `[..., H, D]`; with
 * axis `row` the last axis is the whole row. Formulas and roundings: `NormSpec`.
 *
 * @returns a tensor of the shape and dtype of x
 */
export function normalize(x: Tensor, spec: NormSpec<Tensor>): Tensor {
  requireTensor(x, "x", ["f32", "bf16", "f16"]);
  assertNormSpec(spec, "given");
  const last = x.shape.at(-1) ?? 0;
  const weightHeads =
    spec.weight instanceof Tensor && spec.weight.shape.length === 2 ? (spec.weight.shape[0] as number) : 1;
  const heads = weightHeads > 1 ? (x.shape.at(-2) ?? 1) : 1;
  const out = Tensor.zeros(x.shape, x.dtype);
  checkAffine(spec, last, heads, "the");
  if (x.size > 0) {
    const rows = [x.size / (heads * last), heads, last];
    kernels().normalize([{ x: denseRows(x, rows), out: out.view(rows), spec: denseSpec(spec) }]);
  }
  return out;
}

/** Throws unless weight and bias are float tensors of `headDim` or `heads * headDim` values. */
export function checkAffine(spec: NormSpec<Tensor>, headDim: number, heads: number, side: string): void {
  for (const [name, values] of [
    ["weight", spec.weight],
    ["bias", spec.bias ?? null],
  ] as const) {
    if (values === null) continue;
    requireTensor(values, `${side} norm's ${name}`, ["f32", "bf16", "f16"]);
    if (values.size !== headDim && values.size !== heads * headDim) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${side} norm's ${name} has shape ${formatShape(values.shape)}; it must be [${headDim}] or [${heads}, ${headDim}]`,
      );
    }
  }
}

/** The spec with weights that kernels can read from their offset on. */
export function denseSpec(spec: NormSpec<Tensor>): NormSpec<Tensor> {
  if ((spec.weight?.contiguous ?? true) && (spec.bias?.contiguous ?? true)) return spec;
  return { ...spec, weight: spec.weight?.toContiguous() ?? null, bias: spec.bias?.toContiguous() ?? null };
}

function denseRows(x: Tensor, rows: readonly number[]): Tensor {
  const view = x.reshape(rows);
  return view.strides[2] === 1 || rows[2] === 1 ? view : view.toContiguous();
}
