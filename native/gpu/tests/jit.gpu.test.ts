import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import {
  CudaGraph,
  CudaKernel,
  CudaStream,
  cudaDevice,
  examine,
  Jit,
  type KernelRequest,
  kernelSource,
} from "../../src/index.ts";
import { failureOf, milliseconds, missing } from "./gpu.ts";

const folder = mkdtempSync(join(tmpdir(), "qknorm-jit-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const macros = {
  QK_HEAD_DIM: 128,
  QK_DTYPE: 1,
  QK_WEIGHT: 1,
  QK_BIAS: 0,
  QK_WEIGHT_DTYPE: 1,
  QK_KIND: 0,
  QK_OFFSET: 0,
  QK_HF: 0,
  QK_IN_PLACE: 1,
  QK_ALIGN: 16,
  QK_WEIGHT_ALIGN: 16,
  QK_LANES: 16,
  QK_ROWS: 1,
  QK_BLOCK: 128,
  QK_TRIGGER: 1,
  QK_LOOP: 0,
  QK_PREFETCH: 0,
  QK_RADIX: 2,
};

const request = (changed: Record<string, number> = {}): KernelRequest => ({
  name: "qk_norm",
  source: kernelSource("qk_norm", ["norm_rows.cuh"]),
  macros: { ...macros, ...changed },
  arch: cudaDevice(0).arch,
});

const load = (cubin: Uint8Array) => new CudaKernel(0, cubin, "qk_norm", { argumentBytes: 184, waits: true });

describe.skipIf(missing !== "")(`the JIT on a GPU${missing}`, () => {
  it("compiles for this device, and faster from the disk and from memory", () => {
    const dims = [64, 72, 128, 136, 256];
    const cold: number[] = [];
    const disk: number[] = [];
    for (const QK_HEAD_DIM of dims) {
      const lanes = 8;
      const asked = request({ QK_HEAD_DIM, QK_LANES: lanes });
      const first = new Jit({ folder, seeds: [] });
      cold.push(milliseconds(() => expect(first.compile(asked).origin).toBe("compiled")));
      const second = new Jit({ folder, seeds: [] });
      disk.push(milliseconds(() => expect(second.compile({ ...asked }).origin).toBe("disk")));
      using kernel = load(second.compile(asked).cubin);
      expect(kernel.info).toMatchObject({ launchesEarly: cudaDevice(0).arch >= "sm_90", localBytes: 0 });
    }
    const jit = new Jit({ folder, seeds: [] });
    const asked = request();
    jit.compile(asked);
    const memory = milliseconds(() => {
      for (let i = 0; i < 10_000; i++) jit.compile(asked);
    });
    const shown = (list: number[]) => list.map((value) => value.toFixed(2)).join(" ");
    process.stdout.write(
      `  compile ms, cold: ${shown(cold)}; disk: ${shown(disk)}; memory: ${(memory / 10).toFixed(3)} us\n`,
    );
    expect(Math.max(...disk)).toBeLessThan(Math.min(...cold));
  });

  it("refuses to load a kernel inside a capture, and the capture goes on", () => {
    using stream = new CudaStream(0);
    const { cubin } = new Jit({ folder, seeds: [] }).compile(request());
    using graph = CudaGraph.capture(stream, () => {
      expect(failureOf(() => load(cubin))).toMatchObject({
        code: "ERR_QKNORM_SCOPE",
        message: expect.stringMatching(/cannot be loaded while a graph is captured; warm it up/),
      });
    });
    graph.replay(stream);
    stream.synchronize();
  });

  it("refuses parameters that were not compiled so, a cubin that is cut off, and one of another chip", () => {
    const jit = new Jit({ folder, seeds: [] });
    const { cubin } = jit.compile(request());
    const other = (options: object, name = "qk_norm", image = cubin) =>
      failureOf(() => new CudaKernel(0, image, name, { argumentBytes: 184, ...options }));
    expect(other({ argumentBytes: 176 }).code).toBe("ERR_QKNORM_LAYOUT");
    expect(other({}, "no_such_kernel")).toMatchObject({ code: "ERR_CUDA", api: "cuModuleGetFunction" });
    for (let length = 0; length < cubin.length; length += length < cubin.length - 99 ? 97 : 1) {
      expect([length, other({}, "qk_norm", cubin.subarray(0, length)).code]).toEqual([length, "ERR_CUDA"]);
    }
    const foreign = jit.compile({ ...request(), arch: cudaDevice(0).arch === "sm_80" ? "sm_90" : "sm_80" });
    expect(other({}, "qk_norm", foreign.cubin)).toMatchObject({
      code: "ERR_CUDA",
      status: "CUDA_ERROR_NO_BINARY_FOR_GPU",
    });
  });

  it("says the compiler's own words about what it refuses", () => {
    const jit = new Jit({ folder, seeds: [] });
    expect(() => jit.compile(request({ QK_HEAD_DIM: 12 }))).toThrow(/head dim/);
  });

  it("warms up while this thread goes on", async () => {
    const jit = new Jit({ folder: null, seeds: [] });
    let turns = 0;
    const counting = setInterval(() => turns++, 1);
    await jit.warmUp([request({ QK_ROWS: 2 }), request({ QK_ROWS: 4 })]);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(3);
    expect(jit.compile(request({ QK_ROWS: 4 })).origin).toBe("compiled");
  });

  it("is what the doctor counts on", () => {
    const { providers, devices, nvrtc, speed, verdict } = examine();
    expect(providers[0]).toMatchObject({ name: "cuda", ready: true });
    expect(devices[0]).toMatchObject({ ordinal: 0, memoryPools: true });
    expect(nvrtc).toHaveProperty("version");
    expect(speed[0]).toMatchObject({ provider: "cuda", microseconds: expect.any(Number) });
    expect(verdict).toMatchObject({ provider: "cuda", runs: expect.stringMatching(/^Everything runs on/) });
  });
});
