import type { CudaDevice, GemvForm } from "@qknorm/native/cuda";
import { expect, test } from "vitest";
import { joinableProduct } from "./joinable-product.ts";

const device = { arch: "sm_90", multiprocessors: 132 } as CudaDevice;
const operands = {} as Parameters<typeof joinableProduct>[1];
/** One row of a decoder's step on an H100. */
const product: GemvForm = {
  ...{ dtype: "bf16", weight: "bf16", bias: "bf16", swiglu: "once", residual: true, settled: true },
  norm: { kind: "rms", weight: "bf16", weightOffset: 0, rounding: "once", eps: 1e-6 },
  ...{ rows: 1, inputs: 1024, outputs: 2048 },
  ...{ xStride: 2048, weightStride: 2048, residualStride: 4096, yStride: 4096 },
  ...{ xAlignment: 16, weightAlignment: 16, normAlignment: 16 },
};

test("a product of one row in 16 bits joins others, with its norm, bias, SwiGLU and residual", () => {
  expect(joinableProduct(product, operands, device)).toMatchObject({
    ...{ kind: "product", dtype: "bf16", rounding: "once" },
    form: { inputs: 1024, outputs: 2048, norm: "weighted", swiglu: true, bias: true, residual: true },
    norm: { kind: "rms", weight: "bf16", weightOffset: 0 },
  });
  expect(
    joinableProduct({ ...product, norm: null, bias: null, swiglu: null, residual: false }, operands, device),
  ).toMatchObject({
    form: { norm: "none", swiglu: false, bias: false, residual: false },
    ...{ norm: null, rounding: null },
    operands: { eps: 0 },
  });
});

const rounded = { kind: "rms", weight: "bf16", weightOffset: 0, rounding: "hf", eps: 1e-6 } as const;

test("a product's norm and gate are rounded alike", () => {
  const both = { ...product, norm: rounded, swiglu: "hf" } as const;
  for (const form of [both, { ...both, swiglu: null }, { ...both, norm: null }]) {
    expect(joinableProduct(form, operands, device)).toMatchObject({ rounding: "hf" });
  }
});

test.each<[string, Partial<GemvForm>]>([
  ["of several rows", { rows: 2 }],
  ["of f32", { ...{ dtype: "f32", weight: "f32", bias: null, norm: null }, weightStride: 4096 }],
  ["whose weights have another dtype", { weight: "f16" }],
  ["whose bias has another dtype", { bias: "f32" }],
  ["with a SwiGLU that rounds in between, and a norm that does not", { swiglu: "hf" }],
  ["with a norm that rounds in between, and a SwiGLU that does not", { norm: rounded }],
  ["whose weights something that runs may write", { settled: false }],
  ["whose weights lie apart", { weightStride: 4096 }],
  ["of x at an odd place", { xAlignment: 8 }],
  ["of weights at an odd place", { weightAlignment: 8 }],
  ["of a norm's weights at an odd place", { normAlignment: 8 }],
])("a product %s runs by itself", (_, change) => {
  expect(joinableProduct({ ...product, ...change }, operands, device)).toBeNull();
});

test("no product joins others on a device without thread block clusters", () => {
  expect(joinableProduct(product, operands, { ...device, arch: "sm_89" })).toBeNull();
});
