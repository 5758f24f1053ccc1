import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { requireDevice, requireFields } from "./call-arguments.ts";
import type { CudaDevice } from "./device.ts";
import type { CudaFailure } from "./driver.ts";
import type { Jit } from "./jit.ts";
import type { Rung } from "./jit-state.ts";
import { CudaKernel, type KernelOptions } from "./kernel.ts";
import { type KernelRequest, keyOf } from "./kernel-request.ts";

/** A kernel to be compiled, and how it is launched. */
export interface LoadableKernel extends KernelRequest, KernelOptions {}

/** The kernels of one device: compiled and loaded when they are first asked for, then kept. */
export class CudaKernels {
  readonly device: CudaDevice;
  readonly jit: Jit;
  readonly #byRequest = new WeakMap<LoadableKernel, CudaKernel>();
  readonly #loaded = new Map<string, CudaKernel>();
  readonly #failed = new Map<string, Error>();

  constructor(device: CudaDevice, jit: Jit) {
    requireDevice(device);
    requireFields(jit, "the compiler of kernels");
    this.device = device;
    this.jit = jit;
  }

  /**
   * The kernel, at once; the same request object again costs a lookup. Compiles and loads it on first use, which a
   * capture does not allow.
   * Throws `ERR_QKNORM_SCOPE` (it is not loaded, and this thread captures a graph), and what `Jit.compile` and
   * `CudaKernel` throw: the same at every later call, unless memory was out.
   */
  get(wanted: LoadableKernel): CudaKernel {
    const known = this.#byRequest.get(wanted);
    if (known !== undefined) return known;
    requireFields(wanted, "a kernel", ["macros"]);
    const key = keyOf(wanted);
    const kernel = this.#loaded.get(key) ?? this.#load(wanted, key);
    this.#byRequest.set(wanted, kernel);
    return kernel;
  }

  /** What the kernels of this device come from. Opens NVRTC. */
  get rung(): Rung {
    return this.jit.rung(this.device.arch);
  }

  /** Compiles off the main thread, then loads. Rejects with the first failure; what was compiled by then stays ready. */
  async warmUp(wanted: readonly LoadableKernel[]): Promise<void> {
    await this.jit.warmUp(wanted);
    for (const kernel of wanted) this.get(kernel);
  }

  #load(wanted: LoadableKernel, key: string): CudaKernel {
    const failed = this.#failed.get(key);
    if (failed !== undefined) throw failed;
    if (requireBinding().cudaIsCapturing(null)) {
      throw new QkNormError(
        "ERR_QKNORM_SCOPE",
        `kernel ${wanted.name} is not loaded yet, and cannot be while a graph is captured; await warmUp(), or run it once, before the capture`,
      );
    }
    try {
      const { cubin } = this.jit.compile(wanted);
      const kernel = new CudaKernel(this.device.ordinal, cubin, wanted.name, wanted);
      this.#loaded.set(key, kernel);
      return kernel;
    } catch (error) {
      if ((error as CudaFailure).status !== "CUDA_ERROR_OUT_OF_MEMORY") this.#failed.set(key, error as Error);
      throw error;
    }
  }
}
