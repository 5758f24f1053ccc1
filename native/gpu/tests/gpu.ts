// What every GPU test starts from: whether there is a device, and the kernels of kernels.cu. Without vitest, so that
// worker threads can use it too.
import { type CudaMemory, type CudaStream, cudaUsage, examine, Jit, openCuda } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";

/** Why these tests cannot run, for `describe.skipIf`; empty when they can. */
export const missing = whyMissing();

/** Devices that the driver shows; 0 without one. */
export const devices = missing === "" ? openCuda().devices : 0;

/** Compiles anew in each process. */
export const jit = new Jit({ folder: null, seeds: [] });

const source = programSource(new URL("./kernels.cu", import.meta.url));

export const programs = {
  scale: (device = 0) => new Program(jit, source, "scale", ["address", "u32", "f32"], { device }),
  hold: () => new Program(jit, source, "hold", ["u64"], { waits: false }),
  lateProducer: () => new Program(jit, source, "late_producer", ["address", "address", "u64", "u32"]),
  repeat: () => new Program(jit, source, "repeat", ["address", "u64", "u64"]),
  countDifferences: () =>
    new Program(jit, source, "count_differences", ["address", "u64", "address", "u64", "address"]),
};

export function floats(memory: CudaMemory, stream: CudaStream): Float32Array {
  const got = new Float32Array(memory.bytes / 4);
  memory.download(got, stream);
  return got;
}

/** The error that `run` throws. */
export function failureOf(run: () => unknown): { code?: string; message: string; [name: string]: unknown } {
  try {
    run();
  } catch (error) {
    return error as { message: string };
  }
  throw new Error("it did not throw");
}

export function expectNothingLive(): void {
  for (let device = 0; device < devices; device++) {
    const { liveBytes } = cudaUsage(device);
    if (liveBytes !== 0) throw new Error(`${liveBytes} bytes are still live on cuda:${device}`);
  }
}

/** Milliseconds that `run` takes on the host. */
export function milliseconds(run: () => void): number {
  const start = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

function whyMissing(): string {
  const cuda = examine().providers.find(({ name }) => name === "cuda");
  return cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;
}
