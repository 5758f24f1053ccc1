import { expect, it } from "vitest";
import type { DecodeForm } from "./decode-form.ts";
import type { DecodeHeads } from "./decode-step.ts";
import { CudaDecodeSteps } from "./decode-steps.ts";
import type { CudaDevice } from "./device.ts";
import type { CudaKernels } from "./kernels.ts";

const form: DecodeForm = {
  dtype: "bf16",
  products: [
    { inputs: 64, outputs: 64, parts: 1, norm: "none", swiglu: false, bias: false, residual: false },
  ],
  norm: { kind: "rms", weight: "bf16", weightOffset: 0 },
  chain: {
    norm: {
      ...{ dtype: "bf16", headDim: 64, kind: "rms", weight: null, bias: null, weightOffset: 0 },
      ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
    },
    ...{ normalizes: true, rope: null, order: "norm-rope", cache: null },
  },
  attention: {
    ...{ dtype: "bf16", cacheDtype: "bf16", headDim: 64, rounding: "once", mask: "causal", softCap: false },
    ...{ sinks: null, paged: false, alignment: 16, cacheAlignment: 16 },
  },
  ...{ inHalves: false, group: 1, steps: 16 },
};

function kernelsOf(registers: number): CudaKernels {
  const device = { arch: "sm_90", multiprocessors: 132, sharedBytesPerBlock: 232448 } as CudaDevice;
  return { device, get: () => ({ info: { registers } }) } as unknown as CudaKernels;
}

it("refuses a kernel whose warps have fewer registers to give than others take, which would never end", () => {
  expect(() => CudaDecodeSteps.load(kernelsOf(160), form)).toThrow(/160 registers, and needs 168/);
  expect(() => CudaDecodeSteps.load(kernelsOf(168), form)).not.toThrow();
});

const heads = { pages: null } as unknown as DecodeHeads;

it.each<[string, DecodeForm, DecodeHeads, RegExp]>([
  [
    "a chain that is not rounded as attention",
    { ...form, attention: { ...form.attention, rounding: "hf" } },
    heads,
    /rounded as their attention: hf, got once/,
  ],
  [
    "attention over pages, without them",
    { ...form, attention: { ...form.attention, paged: true } },
    heads,
    /reads pages, and its heads have none/,
  ],
  [
    "pages, and attention without them",
    form,
    { pages: {} } as unknown as DecodeHeads,
    /reads none, and its heads have pages/,
  ],
])("refuses %s, before anything is launched", (_, form, heads, message) => {
  const made = () => new CudaDecodeSteps(kernelsOf(168), form, heads, []);
  expect(made).toThrow(
    expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT", message: expect.stringMatching(message) }),
  );
});
