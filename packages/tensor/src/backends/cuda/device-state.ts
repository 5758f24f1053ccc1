// What this thread keeps of each device: its own stream, and its kernels.
import { currentStream, QkNormError, setDefaultStream } from "@qknorm/core";
import { CudaKernels, CudaStream, cudaDevice, Jit } from "@qknorm/native/cuda";

/**
 * The stream that work of a device goes to: what `withStream` set, else the device's own, made on first use and kept for
 * the life of the thread. Looking it up costs an array read. What was postponed there is queued first: before the caller
 * binds what it is to queue, since launches are kept and shared.
 *
 * Throws `ERR_CUDA` without a driver, `ERR_QKNORM_DEVICE` when there is no such device or when its current stream is
 * another library's, `ERR_NATIVE` without the addon.
 */
export function cudaStream(ordinal: number): CudaStream {
  const stream = currentCudaStream(ordinal);
  stream.settle();
  return stream;
}

/** `cudaStream`, without queuing what was postponed there. Throws as it does. */
export function currentCudaStream(ordinal: number): CudaStream {
  const stream = currentStream(ordinal);
  if (stream instanceof CudaStream) return stream;
  if (stream !== undefined) {
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `the current stream of device ${ordinal} is no CudaStream, and tensors on cuda:${ordinal} need one: set it with withStream`,
    );
  }
  const first = new CudaStream(ordinal);
  setDefaultStream(first);
  return first;
}

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
