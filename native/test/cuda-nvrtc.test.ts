// The kernels through the real NVRTC, where there is one; it needs no device. QKNORM_LIBNVRTC names it if the search
// does not find it.
import { describe, expect, it } from "vitest";
import { Jit, type KernelRequest, kernelSource, openNvrtc } from "../src/index.ts";

const missing = whyMissing();

const spec = {
  ...{
    QK_HEAD_DIM: 128,
    QK_DTYPE: 1,
    QK_WEIGHT: 1,
    QK_BIAS: 0,
    QK_WEIGHT_DTYPE: 1,
    QK_KIND: 0,
    QK_OFFSET: 0,
  },
  ...{ QK_HF: 0, QK_IN_PLACE: 1, QK_ALIGN: 16, QK_WEIGHT_ALIGN: 16 },
  ...{ QK_LANES: 16, QK_ROWS: 1, QK_BLOCK: 128, QK_TRIGGER: 1, QK_LOOP: 0 },
};

const request = (macros: Record<string, number>, arch = "sm_90"): KernelRequest => ({
  name: "qk_norm",
  source: kernelSource("qk_norm"),
  macros: { ...spec, ...macros },
  arch,
});

describe.skipIf(missing !== "")(`qk_norm.cu through NVRTC${missing}`, () => {
  const jit = new Jit({ folder: null, seeds: [] });

  it.each([
    ["bf16 RMS", {}, "sm_90"],
    ["f16 LayerNorm with a bias, apart", { QK_DTYPE: 2, QK_KIND: 1, QK_BIAS: 1, QK_IN_PLACE: 0 }, "sm_90"],
    ["f32 L2 without a weight", { QK_DTYPE: 0, QK_KIND: 2, QK_WEIGHT: 0, QK_LANES: 8 }, "sm_90"],
    ["head dim 80, unaligned, on an older chip", { QK_HEAD_DIM: 80, QK_ALIGN: 2, QK_LANES: 4 }, "sm_80"],
  ])("becomes a cubin: %s", (_, macros, arch) => {
    const { cubin } = jit.compile(request(macros, arch));
    expect([...cubin.subarray(0, 4)]).toEqual([0x7f, 0x45, 0x4c, 0x46]);
    expect(new DataView(cubin.buffer, cubin.byteOffset).getUint16(18, true)).toBe(190); // EM_CUDA
    expect(Buffer.from(cubin).includes("qk_norm")).toBe(true);
  });

  it("is refused with the compiler's log for a head dim that it does not have", () => {
    expect(() => jit.compile(request({ QK_HEAD_DIM: 12 }))).toThrow(/static assertion failed .*head dim/s);
  });

  it("is compiled aside while this thread goes on", async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await jit.warmUp([request({ QK_ROWS: 2 }), request({ QK_ROWS: 4 })]);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(3);
    expect(jit.compile(request({ QK_ROWS: 4 })).origin).toBe("compiled");
  });
});

function whyMissing(): string {
  try {
    openNvrtc();
    return "";
  } catch (error) {
    return ` (skipped: ${(error as Error).message.split(";")[0]} and found none)`;
  }
}
