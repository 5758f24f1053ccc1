import * as native from "@qknorm/native/cpu";
import type { ProjectSpec, TensorView } from "../../../backend.ts";
import { denseSpec } from "../weights.ts";
import { rowsOf, vectorOf } from "./views.ts";

/** `out [M, N] = residual + swiglu(norm(x [M, K]) * w^T + bias)` for a few rows; many gain nothing by it. */
export function project(x: TensorView, w: TensorView, out: TensorView, spec: ProjectSpec): boolean {
  const [rows, inFeatures] = x.shape as [number, number];
  const { bias, swiglu, residual } = spec;
  if (rows > native.mostProjectRows) return false;
  native.project({
    rows,
    inFeatures,
    outFeatures: w.shape[0] as number,
    x: rowsOf(x),
    weight: rowsOf(w),
    bias: bias && vectorOf(bias),
    norm: spec.norm && normOf(spec.norm),
    swiglu,
    residual: residual && rowsOf(residual),
    out: rowsOf(out),
  });
  return true;
}

function normOf(spec: NonNullable<ProjectSpec["norm"]>): native.ProjectNorm {
  const { weight, bias = null, kind, eps, weightOffset, rounding } = denseSpec(spec);
  return {
    kind,
    eps,
    weightOffset,
    rounding,
    weight: weight && vectorOf(weight),
    bias: bias && vectorOf(bias),
  };
}
