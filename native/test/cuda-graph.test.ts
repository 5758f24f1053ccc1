import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { CudaGraph, CudaKernel, CudaMemory, CudaStream, cudaUsage, loadBinding } from "../src/index.ts";
import { expectCleanDriver, floats, layout, module, scaling } from "./cuda-case.ts";
import { failureOf, missing, notes, scripted } from "./cuda-fake.ts";

expectCleanDriver();

describe.skipIf(missing !== "")(`graphs, on a stand-in driver${missing}`, () => {
  it("queue nothing while they are captured, and everything at each replay", () => {
    using stream = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    using memory = new CudaMemory(stream, 16);
    memory.upload(Float32Array.of(1, 1, 1, 1), stream);
    using graph = CudaGraph.capture(stream, () => {
      scaling(kernel, memory, 2).run(stream);
      scaling(kernel, memory, 3, 2).run(stream);
      expect(stream.isCapturing()).toBe(true);
    });
    expect(stream.isCapturing()).toBe(false);
    expect(floats(memory, stream)).toEqual([1, 1, 1, 1]);
    graph.replay(stream);
    graph.replay(stream);
    expect(floats(memory, stream)).toEqual([36, 36, 4, 4]);
    expect(notes()).toContain("capture mode 1");
  });

  it("are no place to free what another thread lets go of meanwhile: it goes once the capture has ended", async () => {
    using stream = new CudaStream(0);
    const memory = new CudaMemory(stream, 16);
    const { path } = loadBinding() as { readonly path: string };
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(
      `const { parentPort, workerData } = require("node:worker_threads");
       const native = require(workerData.path);
       native.cudaCaptureBegin(workerData.stream);
       parentPort.postMessage("captures");
       Atomics.wait(workerData.flag, 0, 0);
       native.cudaFree(native.cudaCaptureEnd(workerData.stream));`,
      { eval: true, workerData: { path, flag, stream: stream.handle } },
    );
    const ended = once(worker, "exit");
    await once(worker, "message");
    memory.free();
    expect(cudaUsage(0).liveBytes).toBe(16);
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    await ended;
    new CudaMemory(stream, 32).free();
    expect(cudaUsage(0).liveBytes).toBe(0);
  });

  it("are destroyed once each with what was made of them, also where a capture or its graph fails", () => {
    using stream = new CudaStream(0);
    const counts = () =>
      notes()
        .flatMap((note) => /^graphs (\d+)$/.exec(note)?.[1] ?? [])
        .map(Number);
    scripted({ "count graphs": 1 });
    CudaGraph.capture(stream, () => {}).free();
    const [first, ...later] = counts();
    expect(later.at(-1)).toBe((first as number) - 1);
    for (const failing of ["cuStreamEndCapture", "cuGraphInstantiate"]) {
      scripted({ "count graphs": 1, [failing]: 1 });
      failureOf(() => CudaGraph.capture(stream, () => {}));
      expect(counts().at(-1)).toBe(later.at(-1));
    }
  });

  it("keep the memory they use, and that which was allocated inside, to their own end", () => {
    using stream = new CudaStream(0);
    const kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    const memory = new CudaMemory(stream, 16);
    const graph = CudaGraph.capture(stream, () => {
      using inside = new CudaMemory(stream, 64);
      scaling(kernel, memory, 2).run(stream);
      scaling(kernel, inside, 2).run(stream);
    });
    memory.free();
    kernel.free();
    expect(cudaUsage(0).liveBytes).toBe(80);
    graph.replay(stream); // the stand-in notes an access to dead memory
    graph.free();
    expect(cudaUsage(0).liveBytes).toBe(0);
  });

  it("let memory go behind the streams that they were replayed on", () => {
    using stream = new CudaStream(0);
    using other = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    const memory = new CudaMemory(stream, 16);
    const graph = CudaGraph.capture(stream, () => scaling(kernel, memory, 2).run(stream));
    graph.replay(other);
    memory.free();
    notes();
    graph.free();
    expect(notes()).toEqual(["wait", expect.stringMatching(/^free 16/)]);
  });

  it("take a second stream in that waits for the first, and let it go at the end", () => {
    using stream = new CudaStream(0);
    using other = new CudaStream(0);
    using kernel = new CudaKernel(0, module("sm_90"), "scale", layout);
    const memory = new CudaMemory(stream, 16);
    using graph = CudaGraph.capture(stream, () => {
      other.waitFor(stream);
      expect(other.isCapturing()).toBe(true);
      scaling(kernel, memory, 2).run(other);
      expect(failureOf(() => CudaGraph.capture(other, () => {})).code).toBe("ERR_QKNORM_SCOPE");
      stream.waitFor(other);
    });
    expect(other.isCapturing()).toBe(false);
    memory.free();
    graph.replay(other);
    graph.free();
  });

  it("free memory after the capture that was let go during it and is not theirs, behind what used it", () => {
    using stream = new CudaStream(0);
    using elsewhere = new CudaStream(0);
    const [, number] = /stream (\d+)/.exec(notes().at(-1) ?? "") ?? [];
    const memory = new CudaMemory(elsewhere, 16);
    memory.fill(0, stream);
    using graph = CudaGraph.capture(stream, () => {
      memory.free();
      new CudaMemory(elsewhere, 32).free();
      expect(cudaUsage(0).liveBytes).toBe(48);
    });
    expect(cudaUsage(0).liveBytes).toBe(0);
    const order = notes().filter((note) => /^(mode|wait|free)/.test(note));
    expect(order.slice(0, 2)).toEqual(["mode 2", "mode 1"]);
    expect(order.slice(2).sort()).toEqual([`free 16 on ${number}`, `free 32 on ${number}`, "wait"]);
    graph.replay(stream);
  });

  it("refuse during a capture what cannot be part of one", () => {
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 16);
    const refused: string[] = [];
    using graph = CudaGraph.capture(stream, () => {
      const attempts = [
        () => CudaGraph.capture(stream, () => {}),
        () => memory.upload(new Uint8Array(1), stream),
        () => memory.download(new Uint8Array(1), stream),
        () => stream.synchronize(),
        () => stream.isDone(),
        () => stream.free(),
        () => new CudaKernel(0, module("sm_90"), "scale", layout),
      ];
      for (const attempt of attempts) {
        const { code, message } = failureOf(attempt);
        expect(code, message).toBe("ERR_QKNORM_SCOPE");
        refused.push(message);
      }
    });
    expect(refused[0]).toBe("the stream is being captured already");
    expect(refused.at(-1)).toMatch(/cannot be loaded while a graph is captured; warm it up/);
    graph.replay(stream);
  });

  it("leave no capture on after an exception, which is thrown on", () => {
    using stream = new CudaStream(0);
    const boom = new Error("boom");
    const capture = () =>
      CudaGraph.capture(stream, () => {
        throw boom;
      });
    expect(capture).toThrow(boom);
    expect(stream.isCapturing()).toBe(false);
    scripted({ cuStreamEndCapture: 901 });
    expect(capture).toThrow(boom);
    expect(failureOf(() => CudaGraph.capture(stream, () => {}))).toMatchObject({
      code: "ERR_CUDA",
      status: "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
    });
    scripted({ cuGraphInstantiate: 2 });
    expect(failureOf(() => CudaGraph.capture(stream, () => {})).api).toBe("cuGraphInstantiate");
    expect(stream.isCapturing()).toBe(false);
    stream.synchronize();
  });
});
