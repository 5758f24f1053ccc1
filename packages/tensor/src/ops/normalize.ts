import { assertNormSpec, formatShape, type NormSpec, QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import { Tensor } from "../tensor.ts";
import { lastAxisIsDense, requireShape, requireTensor } from "./checks.ts";

/**
 * One normalisation over the last axis, out of place. With axis `head` and a weight of more than one row, `[H, D]`, x is
 * `[..., H, D]`; with axis `row` the last axis is the whole row. Formulas and roundings: `NormSpec`.
 *
 * @returns a tensor of the shape and dtype of x
 * @throws QkNormError `ERR_QKNORM_NORM` for a broken spec, `ERR_QKNORM_SHAPE` for weights of another length,
 *   `ERR_QKNORM_DTYPE`
 */
export function normalize(x: Tensor, spec: NormSpec<Tensor>): Tensor {
  requireTensor(x, "x");
  assertNormSpec(spec, "given");
  requireShape(x.shape.length > 0, "normalize needs at least one dimension", { x });
  const last = x.shape.at(-1) as number;
  const perHead =
    spec.axis === "head" && [spec.weight, spec.bias].some((w) => Tensor.is(w) && w.size !== last);
  const heads = perHead ? (x.shape.at(-2) ?? 1) : 1;
  checkAffine(spec, last, heads, "the");
  const out = Tensor.zeros(x.shape, x.dtype);
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
    requireTensor(values, `${side} norm's ${name}`);
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
  return lastAxisIsDense(view) ? view : view.toContiguous();
}
