import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { describe, expect, it } from "vitest";
import { CudaMemory, CudaStream, cudaUsage } from "../../src/index.ts";
import { floats, missing, programs } from "./gpu.ts";
import type { ThreadResult } from "./thread.worker.ts";

const entry = fileURLToPath(new URL("./thread.worker.ts", import.meta.url));

describe.skipIf(missing !== "")(`worker threads on a GPU${missing}`, () => {
  it("use the device at the same time, each with its own streams, memory, kernels and graphs", async () => {
    const running = Promise.all([3, 5].map(start));
    using stream = new CudaStream(0);
    using memory = new CudaMemory(stream, 1024);
    const scale = programs.scale();
    // This thread works on, and its captures do not disturb those of the others.
    for (let i = 0; i < 200; i++) {
      memory.upload(new Float32Array(256).fill(i), stream);
      scale.launch([{ memory }, 256, 2], 1, 256).run(stream);
      expect(floats(memory, stream)[255]).toBe(2 * i);
      await new Promise((turn) => setImmediate(turn));
    }
    const results = await running;
    expect(results).toEqual([
      { rounds: 200, wrong: 0 },
      { rounds: 200, wrong: 0 },
    ]);
    memory.free();
    expect(cudaUsage(0).liveBytes).toBe(0);
  });

  it("leave nothing behind when they end without freeing", async () => {
    await start(-7);
    expect(cudaUsage(0).liveBytes).toBe(0);
  });
});

/** A negative factor leaves its memory to the end of the thread. */
function start(factor: number): Promise<ThreadResult> {
  const worker = new Worker(entry, { workerData: factor });
  return new Promise((done, fail) => {
    let result: ThreadResult | undefined;
    worker.on("message", (message: ThreadResult) => {
      result = message;
    });
    worker.on("error", fail);
    worker.on("exit", (status) => (result === undefined ? fail(new Error(`exit ${status}`)) : done(result)));
  });
}
