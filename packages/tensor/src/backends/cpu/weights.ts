import type { NormSpec, Refusal } from "@qknorm/core";
import type { QkNormCall, TensorView } from "../../backend.ts";
import { copyElements } from "../../copy.ts";
import { allocate } from "../../dtype.ts";
import { contiguousStrides, isContiguous } from "../../strides.ts";
import { CpuMemory, dataOf } from "./memory.ts";

/** What refuses a call for how its weights lie: kernels read them in one piece, and a copy would not follow the weight. */
export function weightRefusals({ q, k }: QkNormCall): Refusal[] {
  return [...sideWeightRefusals("q", q.spec), ...sideWeightRefusals("k", k.spec)];
}

/** `weightRefusals` of one side, which may have no norm. */
export function sideWeightRefusals(name: "q" | "k", spec: NormSpec<TensorView> | null): Refusal[] {
  const values = { weight: spec?.weight ?? null, bias: spec?.bias ?? null };
  return Object.entries(values).flatMap(([what, x]) =>
    x === null || isContiguous(x.shape, x.strides)
      ? []
      : [{ code: "layout" as const, detail: `the ${name} norm's ${what} has gaps` }],
  );
}

/** The spec with weights that kernels can read from their offset on; copies of those that have gaps. */
export function denseSpec(spec: NormSpec<TensorView>): NormSpec<TensorView> {
  const { weight } = spec;
  const bias = spec.bias ?? null;
  const denseWeight = weight && denseView(weight);
  const denseBias = bias && denseView(bias);
  if (denseWeight === weight && denseBias === bias) return spec;
  return { ...spec, weight: denseWeight, bias: denseBias };
}

function denseView(x: TensorView): TensorView {
  if (isContiguous(x.shape, x.strides)) return x;
  const { shape, dtype, size, memory } = x;
  const data = allocate(dtype, size);
  const strides = contiguousStrides(shape);
  copyElements({ ...x, data: dataOf(x) }, { data, shape, strides, offset: 0 });
  return { memory: new CpuMemory(memory.backend, data), dtype, shape, strides, offset: 0, size };
}
