// The one kernel of the stand-in driver, void scale(float* x, unsigned count, float factor), for the tests that launch.
import { afterEach, beforeEach, expect } from "vitest";
import { type CudaKernel, CudaLaunch, type CudaMemory, type CudaStream, cudaUsage } from "../src/index.ts";
import { missing, notes, scripted } from "./cuda-fake.ts";

export const module = (arch: string) => new TextEncoder().encode(`.version 8.0 .target ${arch}`);
export const layout = { argumentBytes: 16, parameterOffsets: [0, 8, 12], waits: true };

/** For each test of a file: nothing is scripted before it, and afterwards nothing is live or was touched wrongly. */
export function expectCleanDriver(): void {
  beforeEach(() => {
    scripted();
    notes();
  });
  afterEach(() => {
    if (missing !== "") return;
    scripted();
    expect(cudaUsage(0).liveBytes).toBe(0);
    expect(notes().filter((note) => /dead|in a graph|of nothing/.test(note))).toEqual([]);
  });
}

/** x *= factor over the first `count` floats, as the stand-in's one kernel does it. */
export function scaling(kernel: CudaKernel, memory: CudaMemory, factor: number, count = 4): CudaLaunch {
  const launch = new CudaLaunch(kernel, 16, 1).address(0, 0, memory, 0, 4 * count).geometry(count, 32);
  const view = new DataView(launch.bytes.buffer);
  view.setUint32(8, count, true);
  view.setFloat32(12, factor, true);
  return launch;
}

export function floats(memory: CudaMemory, stream: CudaStream): number[] {
  const got = new Float32Array(memory.bytes / 4);
  memory.download(got, stream);
  return [...got];
}
