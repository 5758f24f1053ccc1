// The kernels through the real NVRTC, where there is one; it needs no device. QKNORM_LIBNVRTC names it if the search
// does not find it.
import { describe, expect, it } from "vitest";
import {
  type CudaNormForm,
  CudaQkNorm,
  CudaRowNorm,
  type DeviceKind,
  Jit,
  type KernelRequest,
  openNvrtc,
} from "../src/index.ts";

const missing = whyMissing();

const device = (arch: string): DeviceKind => ({ name: "NVIDIA H200", arch });
const form: CudaNormForm = {
  ...{ headDim: 128, dtype: "bf16", kind: "rms", weight: "bf16", bias: null, weightOffset: 0 },
  ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
} as const;
const layer = { kind: "layer", bias: "bf16", inPlace: false } as const;
const weightless = { dtype: "f32", kind: "l2", weight: null } as const;
const unaligned = { dtype: "f16", alignment: 2, weight: "f32", weightAlignment: 4, rounding: "hf" } as const;

const jit = new Jit({ folder: null, seeds: [] });

describe.skipIf(missing !== "")(`the kernels through NVRTC${missing}`, () => {
  it.each([
    ["bf16 RMS of each common head dim", [64, 80, 96, 112, 128, 160, 192, 256, 512], {}, "sm_90"],
    [
      "f16, rounded as Hugging Face does",
      [64, 128, 256],
      { dtype: "f16", weight: "f16", rounding: "hf" },
      "sm_90",
    ],
    ["LayerNorm with a bias, out of place", [64, 128, 256], layer, "sm_90"],
    ["f32 L2 without a weight", [8, 128, 1024], weightless, "sm_90"],
    ["unaligned, with f32 weights", [104, 128], unaligned, "sm_90"],
    ["an older chip", [128], {}, "sm_80"],
    ["a chip without bf16 instructions", [128], {}, "sm_75"],
  ] as const)("compile without spills: qk_norm, %s", (_, headDims, change, arch) => {
    for (const headDim of headDims) {
      for (const wanted of CudaQkNorm.requests({ ...form, ...change, headDim }, device(arch))) {
        expectSound(wanted, `head dim ${headDim}, ${JSON.stringify(wanted.macros)}`);
      }
    }
  });

  it.each([
    ["RMS", {}],
    ["LayerNorm with a bias, out of place", layer],
    ["f32 L2 without a weight", weightless],
    ["unaligned, with f32 weights", unaligned],
  ] as const)("compile without spills: row_norm, %s", (_, change) => {
    for (const headDim of [1, 128, 8192, 8197]) {
      for (const wanted of CudaRowNorm.requests({ ...form, ...change, headDim }, "sm_90")) {
        expectSound(wanted, JSON.stringify(wanted.macros));
      }
    }
  });

  it("are the same code for sm_90 as for sm_90a: neither uses what only the latter has", () => {
    const wanted = CudaQkNorm.requests(form, device("sm_90"))[0]!;
    const code = (arch: string) => sectionsOf(jit.compile({ ...wanted, arch }).cubin).get(".text.qk_norm");
    expect(code("sm_90")).toEqual(code("sm_90a"));
  });

  it("are refused with the compiler's log for a head dim that they do not have", () => {
    const wanted = CudaQkNorm.requests(form, device("sm_90"))[0]!;
    const bad = { ...wanted, macros: { ...wanted.macros, QK_HEAD_DIM: 12 } };
    expect(() => jit.compile(bad)).toThrow(/static assertion failed .*head dim/s);
  });

  it("are compiled aside while this thread goes on", async () => {
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    const wanted = CudaQkNorm.requests({ ...form, headDim: 72 }, device("sm_90"));
    await jit.warmUp(wanted);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(3);
    expect(jit.compile(wanted[0]!).origin).toBe("compiled");
  });
});

function expectSound(wanted: KernelRequest, what: string): void {
  const sections = sectionsOf(jit.compile(wanted).cubin);
  expect(sections.has(`.text.${wanted.name}`), what).toBe(true);
  expect(frameBytes(sections.get(".nv.info")!), `${what}: bytes of stack, where spills go`).toEqual([0]);
}

/** The sections of an ELF file by their names. */
function sectionsOf(elf: Uint8Array): Map<string, Uint8Array> {
  const view = new DataView(elf.buffer, elf.byteOffset, elf.byteLength);
  expect([...elf.subarray(0, 4), view.getUint16(18, true)]).toEqual([0x7f, 0x45, 0x4c, 0x46, 190]); // EM_CUDA
  const table = Number(view.getBigUint64(40, true));
  const header = (i: number) => table + 64 * i;
  const bytesOf = (i: number) => {
    const start = Number(view.getBigUint64(header(i) + 24, true));
    return elf.subarray(start, start + Number(view.getBigUint64(header(i) + 32, true)));
  };
  const names = bytesOf(view.getUint16(62, true));
  const nameAt = (at: number) => Buffer.from(names.subarray(at, names.indexOf(0, at))).toString();
  const indices = Array.from({ length: view.getUint16(60, true) }, (_, i) => i);
  return new Map(indices.map((i) => [nameAt(view.getUint32(header(i), true)), bytesOf(i)]));
}

/** The stack of each function: attribute 0x11 of a cubin's .nv.info, two words, the second of which it is. */
function frameBytes(info: Uint8Array): number[] {
  const view = new DataView(info.buffer, info.byteOffset, info.byteLength);
  const found: number[] = [];
  for (let at = 0; at < info.length; ) {
    const [format, attribute] = [view.getUint8(at), view.getUint8(at + 1)];
    if (format === 4 && attribute === 0x11) found.push(view.getUint32(at + 8, true));
    at += format === 4 ? 4 + view.getUint16(at + 2, true) : 4;
  }
  return found;
}

function whyMissing(): string {
  try {
    openNvrtc();
    return "";
  } catch (error) {
    return ` (skipped: ${(error as Error).message.split(";")[0]} and found none)`;
  }
}
