import { nativeError } from "../loader.ts";
import type { CudaDevice } from "./device.ts";
import type { Jit } from "./jit.ts";
import type { CudaKernel, KernelOptions } from "./kernel.ts";
import type { KernelRequest } from "./kernel-request.ts";

/** The kernels of one device: compiled and loaded when they are first asked for, then kept. */
export class CudaKernels {
  readonly device: CudaDevice;
  readonly jit: Jit;

  constructor(device: CudaDevice, jit: Jit) {
    this.device = device;
    this.jit = jit;
  }

  /**
   * The kernel, at once. Compiles and loads it on first use, which a capture does not allow.
   * Throws `ERR_QKNORM_SCOPE` (it is not loaded, and this thread captures a graph), and what `Jit.compile` and
   * `CudaKernel` throw.
   */
  get(request: KernelRequest, options: KernelOptions): CudaKernel {
    throw nativeError("ERR_NATIVE", `not written yet: ${request.name}, ${options.argumentBytes}`);
  }

  /** Compiles off the main thread, then loads. Rejects with the first failure once all are done. */
  async warmUp(requests: readonly KernelRequest[]): Promise<void> {
    await this.jit.warmUp(requests);
  }
}
