// Tensors that suites of devices draw and lay out.
import * as fc from "fast-check";
import { type CudaDeviceName, Tensor } from "../src/index.ts";

/** Those of models, and odd ones. */
export const headDims = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(8, 64, 80, 96, 128, 192, 256) },
  { weight: 1, arbitrary: fc.constantFrom(1, 5, 24, 33, 260, 512) },
);
/** A copy on the device that lies as on the CPU, gaps of NaN included. */
export function inGaps(x: Tensor, device: CudaDeviceName, gap: boolean): Tensor {
  if (!gap) return x.to(device);
  const memory = new Tensor(x.data, x.dtype, [x.data.length]).to(device);
  return new Tensor(memory.memory, x.dtype, x.shape, x);
}
