import { CudaKernels, cudaDevice, Jit } from "@qknorm/native/cuda";

let jit: Jit | undefined;
const byOrdinal: CudaKernels[] = [];

/**
 * The kernels of a device, compiled when they are first asked for and kept for the life of the thread.
 * Throws `ERR_CUDA`, `ERR_QKNORM_DEVICE`, `ERR_NATIVE`.
 */
export function cudaKernels(ordinal: number): CudaKernels {
  let kernels = byOrdinal[ordinal];
  if (kernels === undefined) {
    jit ??= new Jit({ log: (message) => process.emitWarning(message, { code: "QKNORM_JIT" }) });
    kernels = new CudaKernels(cudaDevice(ordinal), jit);
    byOrdinal[ordinal] = kernels;
  }
  return kernels;
}
