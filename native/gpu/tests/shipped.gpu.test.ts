import { afterEach, describe, expect, it } from "vitest";
import { CudaStream, examine } from "../../src/index.ts";
import { judge } from "./judge.ts";
import { NormCase } from "./norm-case.ts";

// This process looks for NVRTC where there is none, as on a machine that has only a driver; what looks comes after.
process.env.QKNORM_LIBNVRTC = "/nowhere/libnvrtc.so.13";
const { expectNothingLive, failureOf, jit, missing } = await import("./gpu.ts");
const { runCase } = await import("./norm-run.ts");

afterEach(() => {
  if (missing === "") expectNothingLive();
});

describe.skipIf(missing !== "")(`a GPU and a driver without NVRTC${missing}`, () => {
  it.each([64, 128, 256])("run the kernels that the package ships, head dim %i", (headDim) => {
    using stream = new CudaStream(0);
    for (const dtype of ["bf16", "f16"] as const) {
      for (const tokens of [1, 100, 3000]) {
        const one = new NormCase({ headDim, dtype, weight: dtype }, { tokens, heads: [4, 2] });
        expect([dtype, tokens, judge(one, runCase(one, stream))]).toEqual([dtype, tokens, ""]);
      }
    }
  });

  it("say what is missing for the others, and which rung they stand on", () => {
    using stream = new CudaStream(0);
    const one = new NormCase({ headDim: 72 }, { tokens: 3, heads: [2, 1] });
    expect(failureOf(() => runCase(one, stream))).toMatchObject({
      code: "ERR_NVRTC",
      message: expect.stringMatching(/no usable NVRTC/),
    });
    expect(examine().providers[0]?.because).toMatch(/\d+ kernels shipped for sm_90; no NVRTC/);
    expect(jit.state().failures).toHaveLength(1);
  });
});
