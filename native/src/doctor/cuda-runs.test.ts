import { describe, expect, it } from "vitest";
import { cudaOps, cudaRuns } from "./cuda-runs.ts";

const jit = { name: "jit", because: "" } as const;

describe("what a device runs", () => {
  it("begins with an architecture: tensor cores from sm_80, kernels that overlap from sm_90", () => {
    const of = (arch: string) => cudaRuns(jit, arch, {});
    expect(of("sm_75")).toMatchObject({ prompts: "plain kernels", overlaps: false });
    expect(of("sm_80")).toMatchObject({ prompts: "tensor cores", overlaps: false });
    expect(of("sm_89")).toMatchObject({ prompts: "tensor cores", overlaps: false });
    expect(of("sm_90")).toMatchObject({ prompts: "tensor cores", overlaps: true });
    expect(of("sm_120")).toMatchObject({ prompts: "tensor cores", overlaps: true });
  });

  it("is every op by a compiler, and products by cuBLASLt where it is there", () => {
    expect(cudaRuns(jit, "sm_90", { version: "12.4" })).toMatchObject({ ops: cudaOps, products: "cuBLASLt" });
    expect(cudaRuns(jit, "sm_90", {})).toMatchObject({
      ops: cudaOps,
      products: "gemv.cu",
      graphDecode: true,
    });
    const nothing = { ops: [], products: "none", prompts: "none", graphDecode: false };
    expect(cudaRuns({ name: "none", because: "" }, "sm_90", {})).toMatchObject(nothing);
  });
});
