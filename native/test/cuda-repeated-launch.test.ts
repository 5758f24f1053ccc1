import { execFileSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { CudaGraph, CudaKernel, type CudaLaunch, CudaMemory, CudaStream, cudaUsage } from "../src/index.ts";
import { loadBinding, requireBinding } from "../src/loader.ts";
import { expectCleanDriver, floats, layout, module, scaling } from "./cuda-case.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

const notReady = 600;

expectCleanDriver();

/** How each start since the last look went: by itself, by a graph that got new arguments, or by the same graph. */
function ways(): string[] {
  const found: string[] = [];
  for (const note of notes()) {
    if (note.startsWith("launch ")) found.push("alone");
    if (note.startsWith("node ")) found.push("new");
    if (note === "graph of 1" && found.at(-1) === "new") found[found.length - 1] = "graph, new arguments";
    else if (note === "graph of 1") found.push("graph");
  }
  return found;
}

function times(count: number, launch: CudaLaunch, stream: CudaStream): string[] {
  for (let i = 0; i < count; i++) launch.run(stream);
  return ways();
}

function withFactor(launch: CudaLaunch, factor: number): CudaLaunch {
  new DataView(launch.bytes.buffer).setFloat32(12, factor, true);
  return launch;
}

describe.skipIf(missing !== "")(
  `a launch that is started again and again, on a stand-in driver${missing}`,
  () => {
    it("goes by a graph of its own from the third time on, whatever its arguments then are; another kernel by a new one", () => {
      using stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using other = new CudaKernel(0, module("sm_90a"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      using elsewhere = new CudaMemory(stream, 16);
      memory.upload(Float32Array.of(1, 1, 1, 1), stream);
      elsewhere.upload(Float32Array.of(1, 1, 1, 1), stream);
      const launch = scaling(kernel, memory, 2);
      expect(times(4, launch, stream)).toEqual(["alone", "alone", "graph, new arguments", "graph"]);
      expect(floats(memory, stream)).toEqual([16, 16, 16, 16]);
      expect(times(2, withFactor(launch, 3), stream)).toEqual(["graph, new arguments", "graph"]);
      expect(times(1, launch.address(0, 0, elsewhere, 0, 16), stream)).toEqual(["graph, new arguments"]);
      for (const [grid, block, shared] of [
        [2, 32, 0],
        [2, 64, 0],
        [2, 64, 128],
      ] as const) {
        expect(times(1, launch.geometry(grid, block, shared), stream)).toEqual(["graph, new arguments"]);
      }
      expect(times(3, launch.use(other), stream)).toEqual(["alone", "alone", "graph, new arguments"]);
      expect(floats(memory, stream)).toEqual([144, 144, 144, 144]);
      expect(floats(elsewhere, stream)).toEqual([2187, 2187, 2187, 2187]);
    });

    it("takes no memory and no stream that was freed since the last start, and keeps none alive", () => {
      const stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      const other = new CudaMemory(stream, 16);
      memory.upload(Float32Array.of(1, 1, 1, 1), stream);
      const launch = scaling(kernel, memory, 2);
      times(4, launch, stream);
      new CudaMemory(stream, 16).free(); // somebody else's
      expect(times(2, launch, stream)).toEqual(["graph", "graph"]);
      expect(floats(memory, stream)).toEqual([64, 64, 64, 64]);
      launch.address(0, 0, other, 0, 16);
      times(3, launch, stream);
      other.free();
      expect(cudaUsage(0).liveBytes).toBe(16);
      expect(failureOf(() => launch.run(stream)).message).toMatch(/has been freed, or never was/);
      const kept = new CudaMemory(stream, 16);
      using graph = CudaGraph.capture(stream, () => scaling(kernel, kept, 2).run(stream));
      launch.address(0, 0, kept, 0, 16);
      times(3, launch, stream);
      kept.free(); // the graph still has it
      expect(failureOf(() => launch.run(stream)).message).toMatch(/has been freed/);
      graph.free();
      launch.address(0, 0, memory, 0, 16);
      times(3, launch, stream);
      using next = new CudaStream(0);
      stream.free();
      expect(failureOf(() => launch.run(stream)).message).toMatch(/stream/);
      expect(times(1, launch, next)).toEqual(["graph"]);
      kernel.free();
      expect(failureOf(() => launch.run(next)).message).toBe("the kernel has been freed");
    });

    it("takes no stream whose handle is gone, though memory still keeps the stream itself", () => {
      const stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      const launch = scaling(kernel, memory, 2);
      expect(times(4, launch, stream).at(-1)).toBe("graph");
      requireBinding().cudaFree(stream.handle);
      expect(failureOf(() => launch.run(stream)).message).toMatch(/stream .*has been freed/);
      expect(ways()).toEqual([]);
    });

    it("stays a launch in a capture, and goes on by its graph behind it", () => {
      using stream = new CudaStream(0);
      using aside = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      memory.upload(Float32Array.of(1, 1, 1, 1), stream);
      const launch = scaling(kernel, memory, 2);
      times(3, launch, stream);
      using graph = CudaGraph.capture(stream, () => {
        expect(times(2, launch, stream)).toEqual(["alone", "alone"]);
        expect(times(1, launch, aside)).toEqual(["alone"]); // this thread captures: what it may call is limited
      });
      graph.replay(stream);
      notes();
      expect(times(1, launch, stream)).toEqual(["graph"]);
      expect(floats(memory, stream)).toEqual([128, 128, 128, 128]);
    });

    it("stays a launch where the kernel takes longer than its start", () => {
      using stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      const launch = scaling(kernel, memory, 1).geometry(257, 256);
      expect(times(4, launch, stream)).toEqual(["alone", "alone", "alone", "alone"]);
    });

    it("spares the device while that is far behind, and the host again once it has caught up", async () => {
      using stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      const launch = scaling(kernel, memory, 1);
      const last = (count: number) => times(count, launch, stream).at(-1);
      expect(last(4)).toBe("graph");
      scripted({ cuEventQuery: notReady });
      await new Promise((resolve) => setTimeout(resolve, 2));
      expect(last(8)).toBe("alone");
      expect(last(8)).toBe("alone");
      scripted();
      expect(last(8)).toBe("graph");
    });

    it("goes on as a launch, with the same results, on a driver that makes no graph of it", () => {
      for (const failing of ["cuGraphCreate", "cuGraphAddKernelNode", "cuGraphInstantiate"]) {
        using stream = new CudaStream(0);
        using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
        using memory = new CudaMemory(stream, 16);
        memory.upload(Float32Array.of(1, 1, 1, 1), stream);
        const launch = scaling(kernel, memory, 2);
        scripted({ [failing]: 2 });
        times(3, launch, stream);
        scripted();
        expect(times(1, launch, stream)).toEqual(["alone"]);
        expect(floats(memory, stream)).toEqual([16, 16, 16, 16]);
      }
      using stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      memory.upload(Float32Array.of(1, 1, 1, 1), stream);
      const launch = scaling(kernel, memory, 2);
      times(3, launch, stream);
      scripted({ cuGraphExecKernelNodeSetParams: 910 });
      expect(times(2, withFactor(launch, 3), stream)).toEqual(["alone", "alone"]);
      expect(floats(memory, stream)).toEqual([72, 72, 72, 72]);
    });

    it("names what failed", () => {
      using stream = new CudaStream(0);
      using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
      using memory = new CudaMemory(stream, 16);
      const launch = scaling(kernel, memory, 1);
      times(3, launch, stream);
      scripted({ cuGraphLaunch: 700 });
      expect(failureOf(() => launch.run(stream))).toMatchObject({ code: "ERR_CUDA", api: "cuGraphLaunch" });
      scripted({ cuEventCreate: 2 });
      using fresh = new CudaStream(0);
      expect(failureOf(() => times(3, launch, fresh))).toMatchObject({
        code: "ERR_CUDA",
        api: "cuEventCreate",
      });
      scripted();
    });

    it("is told to V8 with what the driver keeps of it, so that dropped ones are collected", () => {
      const { path } = loadBinding() as { path: string };
      const code = `
        const addon = require(${JSON.stringify(path)});
        let collected = 0;
        const registry = new FinalizationRegistry(() => collected++);
        (async () => {
          for (let i = 0; i < 8000; i++) {
            registry.register(addon.cudaPrepare(16, 1).block, 0);
            if (i % 200 === 199) await new Promise(setImmediate);
          }
          for (let turn = 0; turn < 3; turn++) await new Promise(setImmediate);
          console.log(collected);
        })();
      `;
      expect(Number(execFileSync(process.execPath, ["-e", code], { encoding: "utf8" }))).toBeGreaterThan(
        1000,
      );
    });
  },
);
