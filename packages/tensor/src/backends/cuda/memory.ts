import { CudaMemory } from "@qknorm/native/cuda";
import type { Backend, Memory } from "../../backend.ts";
import { bytesOf, type Dtype } from "../../dtype.ts";
import { hold, release } from "../../scope.ts";
import { currentCudaStream } from "./device-state.ts";
import { postponed } from "./postponed.ts";

/**
 * Memory of a CUDA device. It lives until it is freed: by `dispose` of any tensor that lies in it, by `using`, or by the
 * `tidy` in which it was made. The garbage collector never frees it.
 */
export class DeviceMemory implements Memory {
  readonly backend: Backend;
  readonly data = null;
  readonly start = 0;
  readonly ordinal: number;
  readonly memory: CudaMemory;
  readonly #bytes: number;
  #settled = false;
  #freed = false;

  /** Uninitialised, in the order of the device's current stream. Throws `ERR_CUDA` past the budget or out of memory. */
  constructor(backend: Backend, ordinal: number, bytes: number) {
    this.backend = backend;
    this.ordinal = ordinal;
    this.#bytes = bytes;
    this.memory = new CudaMemory(currentCudaStream(ordinal), bytes);
    Object.freeze(this);
    hold(this);
  }

  get region(): object {
    return this;
  }

  get freed(): boolean {
    return this.#freed;
  }

  /** Nothing that is queued writes here, nor will be. */
  get settled(): boolean {
    return this.#settled;
  }

  set settled(settled: boolean) {
    this.#settled = settled;
  }

  capacity(dtype: Dtype): number {
    return this.freed ? 0 : Math.floor(this.#bytes / bytesOf[dtype]);
  }

  free(): void {
    release(this);
    if (this.#freed) return;
    this.#freed = true;
    const free = () => this.memory.free();
    if (postponed(this.ordinal)?.free(free) !== true) free();
  }
}

/** The memory under a tensor of a CUDA device. */
export function memoryOf({ memory }: { readonly memory: Memory }): CudaMemory {
  return (memory as DeviceMemory).memory;
}

export function ordinalOfMemory({ memory }: { readonly memory: Memory }): number {
  return (memory as DeviceMemory).ordinal;
}

/** Whether a kernel may read it before those in front of it are done. */
export function isSettled({ memory }: { readonly memory: Memory }): boolean {
  return (memory as DeviceMemory).settled;
}

/** It is written to again. */
export function unsettle(memory: Memory): void {
  (memory as DeviceMemory).settled = false;
}
