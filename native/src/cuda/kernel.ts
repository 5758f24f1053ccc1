import { requireBinding } from "../loader.ts";
import { requireFields } from "./call-arguments.ts";
import { openCuda } from "./driver.ts";
import { CudaResource } from "./stream.ts";

export interface KernelOptions {
  /** Bytes of the kernel's arguments, as compiled. */
  readonly argumentBytes: number;
  /** Where each parameter starts; one at byte 0 by default. */
  readonly parameterOffsets?: readonly number[];
  /** The kernel waits for its predecessor by itself (`griddepcontrol.wait`), so that PDL may start it early. */
  readonly waits?: boolean;
}

/** What was compiled. */
export interface KernelInfo {
  readonly name: string;
  /** 90 for sm_90; of PTX that the driver compiled, the PTX's own. */
  readonly compiledFor: number;
  /** Launched with PDL: it waits by itself, and was compiled for sm_90 or later, where that wait exists. */
  readonly launchesEarly: boolean;
  readonly maxThreads: number;
  readonly registers: number;
  readonly localBytes: number;
}

/**
 * A kernel on a device. The image is a cubin or PTX text; it is never unloaded.
 *
 * Throws `ERR_CUDA` (not a whole cubin, of another architecture, no kernel of that name), `ERR_QKNORM_LAYOUT` (other
 * parameters than were compiled, where the driver can tell: CUDA 12.4), `ERR_QKNORM_SCOPE` (this thread captures a
 * graph: load before), `ERR_QKNORM_DEVICE`, `ERR_QKNORM_ARGUMENT`, `ERR_NATIVE`.
 */
export class CudaKernel extends CudaResource {
  readonly info: KernelInfo;

  constructor(device: number, image: Uint8Array, name: string, options: KernelOptions) {
    requireFields(options, "the options of a kernel");
    openCuda();
    const binding = requireBinding();
    const { argumentBytes, parameterOffsets = argumentBytes === 0 ? [] : [0], waits = false } = options;
    const module = binding.cudaModule(device, image);
    try {
      super(binding.cudaKernel(module, name, Float64Array.of(argumentBytes, ...parameterOffsets), waits));
    } finally {
      binding.cudaFree(module); // the kernel holds it
    }
    this.info = binding.cudaKernelInfo(this.handle);
  }

  /** Blocks of `threads` that run at once on a multiprocessor. */
  occupancy(threads: number, sharedBytes = 0): number {
    return requireBinding().cudaOccupancy(this.handle, threads, sharedBytes);
  }
}
