import { nativeError, requireBinding } from "../loader.ts";
import { openCuda } from "./driver.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaResource, type CudaStream } from "./stream.ts";

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

const addressNumbers = 4;
const headNumbers = 10;

/**
 * The arguments of a launch and its geometry, packed once and used many times. `bytes` are the kernel's parameters
 * as it declares them, little endian; the addresses in them are filled in at each launch and checked then.
 *
 *     const launch = new CudaLaunch(kernel, 184, 2);
 *     new DataView(launch.bytes.buffer).setUint32(160, tokens, true);
 *     launch.address(0, 0, q, qOffset, qSpan).geometry(blocks, 256).run(stream);
 */
export class CudaLaunch {
  readonly bytes: Uint8Array;
  readonly #params: Float64Array;

  constructor(kernel: CudaKernel, argumentBytes: number, addresses: number) {
    this.bytes = new Uint8Array(argumentBytes);
    this.#params = new Float64Array(headNumbers + addresses * addressNumbers);
    this.#params.set([kernel.handle, 0, 1, 1, 1, 1, 1, 1, 0, 0]);
  }

  /**
   * Address number `index` goes to byte `at` of the arguments: `length` bytes of `memory` from `offset`, all of which
   * the kernel may touch and nothing else; `null` is a null pointer.
   */
  address(index: number, at: number, memory: CudaMemory | null, offset = 0, length = 0): this {
    const first = headNumbers + index * addressNumbers;
    if (!(first + addressNumbers <= this.#params.length)) {
      throw nativeError("ERR_QKNORM_ARGUMENT", `there is no address number ${index} in this launch`);
    }
    const freed = memory !== null && memory.handle === 0;
    if (freed) throw nativeError("ERR_QKNORM_ARGUMENT", "memory has been freed");
    this.#params[first] = at;
    this.#params[first + 1] = memory === null ? 0 : memory.handle;
    this.#params[first + 2] = offset;
    this.#params[first + 3] = length;
    return this;
  }

  /** `grid` blocks of `block` threads. */
  geometry(grid: number | readonly number[], block: number | readonly number[], sharedBytes = 0): this {
    const [x = 1, y = 1, z = 1] = typeof grid === "number" ? [grid] : grid;
    const [bx = 1, by = 1, bz = 1] = typeof block === "number" ? [block] : block;
    this.#params.set([x, y, z, bx, by, bz, sharedBytes], 2);
    return this;
  }

  /** Without PDL, even if the kernel could. */
  alone(alone = true): this {
    this.#params[9] = alone ? 1 : 0;
    return this;
  }

  /**
   * Queues the kernel. Throws before that: `ERR_QKNORM_ARGUMENT` (geometry that the kernel cannot have, memory or a
   * stream that was freed), `ERR_QKNORM_LAYOUT` (a range outside of its memory, arguments of another length),
   * `ERR_QKNORM_DEVICE`, `ERR_CUDA` naming the kernel and its geometry.
   */
  run(stream: CudaStream): void {
    this.#params[1] = stream.handle;
    requireBinding().cudaLaunch(this.#params, this.bytes);
  }
}
