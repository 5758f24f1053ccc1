import { currentStream, QkNormError, setDefaultStream } from "@qknorm/core";
import { CudaStream } from "@qknorm/native/cuda";

/**
 * The stream that work of a device goes to: what `withStream` set, else the device's own, made on first use and kept for
 * the life of the thread. Looking it up costs an array read.
 *
 * Throws `ERR_CUDA` without a driver, `ERR_QKNORM_DEVICE` when there is no such device or when its current stream is
 * another library's, `ERR_NATIVE` without the addon.
 */
export function cudaStream(ordinal: number): CudaStream {
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
