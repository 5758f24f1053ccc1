import { type CudaDevice, type GemvForm, gemvGeometry } from "@qknorm/native/cuda";
import { bytesOf } from "../../dtype.ts";
import type { JoinableProduct } from "./joinable.ts";

/** A product that one launch may have with others; null for what that does not take. */
export function joinableProduct(
  form: GemvForm,
  operands: Omit<JoinableProduct["operands"], "eps">,
  { arch, multiprocessors }: CudaDevice,
): JoinableProduct | null {
  const { dtype, weight, norm, bias, swiglu, residual, rows, inputs, outputs } = form;
  const apart =
    Number(arch.slice(3, 5)) < 90 ||
    rows > 1 ||
    dtype === "f32" ||
    weight !== dtype ||
    (bias !== null && bias !== dtype) ||
    (swiglu !== null && norm !== null && swiglu !== norm.rounding) ||
    !form.settled ||
    form.weightStride !== inputs * bytesOf[dtype] ||
    Math.min(form.xAlignment, form.weightAlignment, form.normAlignment) < 16;
  if (apart) return null;
  const size = {
    inputs,
    outputs,
    weight,
    tokens: 1,
    swiglu: swiglu !== null,
    tensor: false,
    multiprocessors,
  };
  return {
    kind: "product",
    ...{ dtype, rounding: swiglu ?? norm?.rounding ?? null },
    form: {
      ...{ inputs, outputs, parts: gemvGeometry(size).split },
      norm: norm === null ? "none" : norm.weight === null ? "plain" : "weighted",
      ...{ swiglu: swiglu !== null, bias: bias !== null, residual },
    },
    norm: norm && {
      kind: norm.kind,
      weight: norm.weight ?? "f32",
      weightOffset: norm.weightOffset,
    },
    operands: { eps: norm?.eps ?? 0, ...operands },
  };
}
