import { applyQkNorm, planQkNorm, setQkNormLogger } from "@qknorm/core";
import { type Device, Tensor, tidy } from "@qknorm/tensor";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { expectCleanDevices, missing } from "../../../tensor/test/stand-in.ts";
import { RmsNorm } from "./rms-norm.ts";

const [tokens, queryHeads, headDim] = [3, 4, 32];

/** What attention does with q and k, on any device. */
function normalized(device: Device, path: "auto" | "fallback"): { path: string; values: number[] } {
  return tidy(() => {
    const options = { weightDtype: "bf16", rounding: "hf", device } as const;
    const [qNorm, kNorm] = [1e-6, 1e-5].map((eps) => new RmsNorm(headDim, eps, options)) as [
      RmsNorm,
      RmsNorm,
    ];
    for (const norm of [qNorm, kNorm]) {
      const weight = Array.from({ length: headDim }, (_, i) => 1 + i / 64);
      norm.weight.copyFrom(Tensor.from(weight, [headDim], "bf16"));
    }
    const width = (queryHeads + 2) * headDim;
    const sines = Array.from({ length: tokens * width }, (_, i) => Math.sin(i));
    const qkv = Tensor.from(sines, [tokens, width], "bf16", device);
    const [q, k] = qkv.split(1, [queryHeads * headDim, headDim, headDim]) as [Tensor, Tensor];
    const request = { q, k, qNorm, kNorm, headDim, options: { path } };
    const plan = planQkNorm(request);
    const results = applyQkNorm(q, k, qNorm, kNorm, headDim, { path });
    return { path: plan.path, values: results.flatMap((x) => [...x.toNumbers()]) };
  });
}

describe.skipIf(missing !== "")(`RmsNorm on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(() => {
    logger = setQkNormLogger(null);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  it("is the module that the CPU has: fused and by itself, with the same result", () => {
    const expected = normalized("cpu", "auto").values;
    expect(normalized("cuda:0", "auto")).toEqual({ path: "fused", values: expected });
    expect(normalized("cuda:0", "fallback")).toEqual({ path: "fallback", values: expected });
  });
});
