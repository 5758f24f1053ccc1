// The one kernel of the stand-in driver, void scale(float* x, unsigned count, float factor), for the tests that launch.
import { type CudaKernel, CudaLaunch, type CudaMemory, type CudaStream } from "../src/index.ts";

export const module = (arch: string) => new TextEncoder().encode(`.version 8.0 .target ${arch}`);
export const layout = { argumentBytes: 16, parameterOffsets: [0, 8, 12], waits: true };

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
