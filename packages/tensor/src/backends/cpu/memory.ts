import { QkNormError } from "@qknorm/core";
import type { Backend, IndexView, Memory } from "../../backend.ts";
import type { HostArray } from "../../dtype.ts";

/** Ordinary V8 memory, so that anything else in the program can read it. It belongs to the garbage collector. */
export class CpuMemory implements Memory {
  readonly backend: Backend;
  readonly data: HostArray;
  readonly freed = false;

  constructor(backend: Backend, data: HostArray) {
    this.backend = backend;
    this.data = data;
    Object.freeze(this);
  }

  // Two SharedArrayBuffers cloned from one another count as different.
  get region(): object {
    return this.data.buffer;
  }

  get start(): number {
    return this.data.byteOffset;
  }

  /** The array is of the tensor's dtype; 0 once its buffer was detached. */
  capacity(): number {
    return this.data.length;
  }

  free(): void {}
}

/** The elements under a view of the CPU. */
export function dataOf({ memory }: { readonly memory: Memory }): HostArray {
  return memory.data as HostArray;
}

/** The values of indices. Throws `ERR_QKNORM_DEVICE` for those that a device made: nobody has read them. */
export function hostIndices({ values }: IndexView): Int32Array {
  if (values !== null) return values;
  throw new QkNormError(
    "ERR_QKNORM_DEVICE",
    "these indices were made on a device, and the op runs on the cpu; read them first",
  );
}
