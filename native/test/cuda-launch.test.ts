import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import type { BindingModule } from "../src/binding.ts";
import { CudaKernel, CudaMemory, CudaStream, cudaUsage, loadBinding } from "../src/index.ts";
import { expectCleanDriver, floats, layout, module, scaling } from "./cuda-case.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

expectCleanDriver();

describe.skipIf(missing !== "")(`launches, on a stand-in driver${missing}`, () => {
  it("pack arguments, addresses and geometry as the kernel reads them", () => {
    using stream = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    using memory = new CudaMemory(stream, 24);
    memory.upload(Float32Array.of(1, 2, 3, 4, 5, 6), stream);
    notes();
    scaling(kernel, memory, 2, 3)
      .address(0, 0, memory, 8, 12)
      .geometry([5, 6, 7], [8, 4, 2], 640)
      .run(stream);
    expect(notes()).toEqual(["launch sm_90 grid 5 6 7 block 8 4 2 shared 640 early count 3 factor 2"]);
    expect(floats(memory, stream)).toEqual([1, 2, 6, 8, 10, 6]);
  });

  it("use PDL where it was compiled in and the kernel waits, and nowhere else", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 16);
    const started = (arch: string, waits: boolean, alone: boolean) => {
      using kernel = new CudaKernel(0, module(arch), "scale", { ...layout, waits });
      notes();
      scaling(kernel, memory, 1).alone(alone).run(stream);
      return `${kernel.info.compiledFor} ${/early|alone/.exec(notes()[0] ?? "")?.[0]}`;
    };
    expect(started("sm_90", true, false)).toBe("90 early");
    expect(started("sm_90", false, false)).toBe("90 alone");
    expect(started("sm_89", true, false)).toBe("89 alone");
    expect(started("sm_100", true, true)).toBe("100 alone");
  });

  it("refuse a range outside of the memory, and anything that was freed", () => {
    using stream = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    const memory = new CudaMemory(stream, 16);
    const launch = scaling(kernel, memory, 2);
    expect(failureOf(() => launch.address(0, 0, memory, 4, 13).run(stream)).code).toBe("ERR_QKNORM_LAYOUT");
    expect(failureOf(() => launch.address(0, 9, memory, 0, 16).run(stream)).message).toMatch(
      /an address at byte 9 is outside of 16 bytes/,
    );
    expect(failureOf(() => launch.address(1, 0, memory)).code).toBe("ERR_QKNORM_ARGUMENT");
    launch.address(0, 0, memory, 0, 16);
    memory.free();
    expect(failureOf(() => launch.run(stream)).message).toMatch(/has been freed, or never was/);
    expect(failureOf(() => launch.address(0, 0, memory)).message).toBe("memory has been freed");
    kernel.free();
    expect(failureOf(() => launch.run(stream)).message).toBe("the kernel has been freed");
  });

  it("belong to the thread that prepared them, and keep no memory alive", async () => {
    using stream = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    const memory = new CudaMemory(stream, 16);
    scaling(kernel, memory, 2).run(stream);
    memory.free();
    expect(cudaUsage(0).liveBytes).toBe(0);
    const loaded = loadBinding();
    if (loaded.binding === null) return;
    const { launch, block } = loaded.binding.cudaPrepare(16, 1);
    const worker = new Worker(
      `try { require(${JSON.stringify(loaded.path)}).cudaLaunch(${launch}); } catch (error) {
         require("node:worker_threads").parentPort.postMessage([error.code, error.message]);
       }`,
      { eval: true },
    );
    expect(await new Promise((resolve) => worker.once("message", resolve))).toEqual([
      "ERR_QKNORM_ARGUMENT",
      expect.stringMatching(/^launch names none that this thread has prepared/),
    ]);
    expect(failureOf(() => loaded.binding.cudaLaunch(launch)).message).toBe("the launch has no kernel yet");
    expect(block.byteLength).toBeGreaterThan(0); // held until here: a launch lives as long as its block
  });

  it("end with their block, wherever its memory was moved, and then are an error", async () => {
    const { binding } = loadBinding();
    if (binding === null) return;
    const launch = launchOfDropped(binding);
    const said = () => failureOf(() => binding.cudaLaunch(launch));
    expect(said()).toMatchObject({ code: "ERR_QKNORM_ARGUMENT", message: "the launch has no kernel yet" });
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    for (let round = 0; round < 100 && !said().message.startsWith("launch names none"); round++) {
      collect();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(said()).toMatchObject({
      code: "ERR_QKNORM_ARGUMENT",
      message: expect.stringMatching(/^launch names none that this thread has prepared/),
    });
  });

  it("refuse a geometry that the kernel or the device cannot have", () => {
    using stream = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    using memory = new CudaMemory(stream, 16);
    const launch = scaling(kernel, memory, 2);
    const failing = (grid: number | number[], block: number | number[], shared = 0) =>
      failureOf(() => launch.geometry(grid, block, shared).run(stream));
    expect(failing(0, 32).message).toMatch(/^grid must be from 1 to 2147483647, got 0/);
    expect(failing([1, 65536], 32).code).toBe("ERR_QKNORM_ARGUMENT");
    expect(failing(1, [16, 17]).message).toMatch(/a block of 272 threads, and it was compiled for 256/);
    expect(failing(1, 32, 232449).message).toMatch(/the device has 232448 left/);
    scripted({ cuLaunchKernelEx: 700 });
    expect(failing(9, 32)).toMatchObject({
      code: "ERR_CUDA",
      api: "cuLaunchKernelEx",
      message: expect.stringContaining(
        "kernel scale, grid 9 x 1 x 1, block 32 x 1 x 1, 0 bytes of shared memory",
      ),
    });
    scripted();
    notes();
    launch.geometry(1, 32, 49153).run(stream);
    launch.run(stream);
    expect(notes().filter((note) => note.startsWith("set"))).toEqual(["set 8 to 232448"]);
    expect(kernel.occupancy(256)).toBe(8);
    expect(failureOf(() => kernel.occupancy(512)).code).toBe("ERR_QKNORM_ARGUMENT");
  });

  it("refuse parameters that were not compiled so, a kernel that is not there, and images that are none", () => {
    const load = (image: Uint8Array, options: object = {}, name = "scale") =>
      failureOf(() => new CudaKernel(0, image, name, { ...layout, ...options }));
    const ptx = module("sm_90");
    expect(load(ptx, { parameterOffsets: [0, 8] }).message).toBe(
      "kernel scale has more than 2 parameters up to byte 16; the caller describes 2 in 16",
    );
    expect(load(ptx, { parameterOffsets: [0, 4, 12] }).message).toMatch(/has parameter 1 at byte 8, not 4/);
    expect(load(ptx, { argumentBytes: 20 }).code).toBe("ERR_QKNORM_LAYOUT");
    expect(load(ptx, {}, "other")).toMatchObject({ code: "ERR_CUDA", api: "cuModuleGetFunction" });
    expect(load(new Uint8Array(0)).message).toBe("this is no module: it is empty");
    expect(load(new Uint8Array(100)).message).toBe("this is no module: neither a cubin nor PTX");
    expect(load(Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1)).message).toMatch(/its header is cut off/);
    expect(load(new TextEncoder().encode(".version broken")).message).toMatch(/sm_90; ptxas: broken$/);
    // As NVRTC gives text, with a zero at its end; one within would cut it short.
    expect(load(new TextEncoder().encode(".version broken\0")).message).toMatch(/sm_90; ptxas: broken$/);
    expect(load(new TextEncoder().encode(".version\0broken")).message).toMatch(/neither a cubin nor PTX$/);
    expect(load(new TextEncoder().encode(".version broken\0\0")).message).toMatch(/neither a cubin nor PTX$/);
  });

  it("take no cubin that is cut off anywhere, or says that it is longer", () => {
    const longer = cubin();
    new DataView(longer.buffer).setBigUint64(80 + 32, 2n ** 64n - 8n, true);
    expect(failureOf(() => new CudaKernel(0, longer, "scale", layout)).message).toMatch(
      /section 0 is cut off/,
    );
    const elf = cubin();
    new CudaKernel(0, elf, "scale", layout).free();
    for (let length = 1; length < elf.length; length++) {
      const code = failureOf(() => new CudaKernel(0, elf.subarray(0, length), "scale", layout)).code;
      expect(code, `${length} bytes`).toBe("ERR_CUDA");
    }
    new DataView(elf.buffer).setBigUint64(64 + 16 + 2 * 64 + 32, 1000n, true);
    expect(failureOf(() => new CudaKernel(0, elf, "scale", layout)).message).toMatch(/segment 0 is cut off$/);
  });
});

/** An ELF file for CUDA as NVRTC writes it: bytes, two sections, one segment, the tables of both behind. */
function cubin(): Uint8Array {
  const sections = 64 + 16;
  const segments = sections + 2 * 64;
  const bytes = new Uint8Array(segments + 56);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
  view.setUint16(18, 190, true);
  view.setBigUint64(32, BigInt(segments), true);
  view.setBigUint64(40, BigInt(sections), true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, 2, true);
  for (const section of [0, 1]) {
    view.setUint32(sections + 64 * section + 4, 1, true);
    view.setBigUint64(sections + 64 * section + 24, 64n, true);
    view.setBigUint64(sections + 64 * section + 32, 16n, true);
  }
  view.setBigUint64(segments + 8, 64n, true);
  view.setBigUint64(segments + 32, 16n, true);
  return bytes;
}

/** The number of a launch whose block nobody has: moved, where the runtime can move such memory (Node 22), and dropped. */
function launchOfDropped(binding: BindingModule): number {
  const { launch, block } = binding.cudaPrepare(4096, 32);
  (block as { transfer?: () => ArrayBuffer }).transfer?.();
  return launch;
}
