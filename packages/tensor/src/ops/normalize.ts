import { assertNormSpec, type NormSpec } from "@qknorm/core";
import { lastAxisIsDense } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { tidy } from "../tidy.ts";
import { backendOfAll, checkAffine, opOf, requireShape, requireTensor } from "./checks.ts";

/**
 * One normalisation over the last axis, out of place. With axis `head` and a weight of more than one row, `[H, D]`, x is
 * `[..., H, D]`; with axis `row` the last axis is the whole row. Formulas and roundings: `NormSpec`. It runs on the
 * device of x, where the weights must lie as well.
 *
 * @returns a tensor of the shape and dtype of x
 * @throws QkNormError `ERR_QKNORM_NORM` for a broken spec, `ERR_QKNORM_SHAPE` for weights of another length,
 *   `ERR_QKNORM_DTYPE`, `ERR_QKNORM_DEVICE`; on CUDA also `ERR_QKNORM_LAYOUT` for weights whose rows have gaps,
 *   `ERR_NVRTC` and `ERR_CUDA`
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
  const names = { x, "the norm's weight": spec.weight, "the norm's bias": spec.bias ?? null };
  const op = opOf(backendOfAll(names), "normalize");
  const out = Tensor.empty(x.shape, x.dtype, x.device);
  if (x.size === 0) return out;
  try {
    tidy(() => {
      const rows = asHeads(x, heads);
      op(rows, out.view(rows.shape), spec);
    });
    return out;
  } catch (error) {
    out.dispose();
    throw error;
  }
}

/**
 * `[T, H, D]` with a dense last axis. Rows that are all alike may count as heads of whatever axis comes before the last:
 * that spares a copy of q or k as slices of a packed tensor.
 */
function asHeads(x: Tensor, heads: number): Tensor {
  const last = x.shape.at(-1) as number;
  const shapes = [heads, ...(heads === 1 && x.shape.length > 2 ? [x.shape.at(-2) as number] : [])].map(
    (count) => [x.size / (count * last), count, last],
  );
  for (const shape of shapes) {
    const view = x.tryView(shape);
    if (view !== null && lastAxisIsDense(view)) return view;
  }
  return x.clone().view(shapes[0] as number[]);
}
