import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import type { CudaHandle } from "./binding.ts";
import { openCuda } from "./driver.ts";

/** Something of the device's that is freed by hand or by `using`; freeing it twice is allowed. */
export abstract class CudaResource {
  #handle: CudaHandle;

  protected constructor(handle: CudaHandle) {
    this.#handle = handle;
  }

  /** Its number; 0 once it is freed, which every call refuses with `ERR_QKNORM_ARGUMENT`. */
  get handle(): CudaHandle {
    return this.#handle;
  }

  /** Frees it. What is queued already still runs. */
  free(): void {
    const handle = this.#handle;
    if (handle === 0) return;
    requireBinding().cudaFree(handle);
    this.#handle = 0;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/**
 * A queue of work on a device. It does not wait for the legacy default stream.
 * Throws `ERR_CUDA`, `ERR_QKNORM_DEVICE` (no such ordinal), `ERR_NATIVE`; inside a capture `synchronize` and `isDone`
 * throw `ERR_QKNORM_SCOPE`.
 */
export class CudaStream extends CudaResource {
  readonly device: number;
  #postponed: (() => void) | null = null;

  constructor(device: number) {
    openCuda();
    super(requireBinding().cudaStream(device));
    this.device = device;
  }

  /** Its number, behind what was postponed. */
  override get handle(): CudaHandle {
    this.settle();
    return super.handle;
  }

  /** Its number for memory, which is not queued behind anything. */
  get home(): CudaHandle {
    return super.handle;
  }

  /** Does `work`, which queues here, before anything else is queued or waited for here. One at a time. */
  postpone(work: () => void): void {
    this.settle();
    this.#postponed = work;
  }

  /** Does now what was postponed. What it throws comes out here. */
  settle(): void {
    const work = this.#postponed;
    this.#postponed = null;
    work?.();
  }

  /** Frees it, behind what was postponed. */
  override free(): void {
    this.settle();
    super.free();
  }

  /**
   * Waits on the host until all that was queued has run. Throws `ERR_QKNORM_ARGUMENT`, once, with the first index out of range
   * that a kernel of this thread has met; so do `CudaEvent.synchronize` and `CudaMemory.download`.
   */
  synchronize(): void {
    requireBinding().cudaStreamSynchronize(this.handle);
  }

  isDone(): boolean {
    return requireBinding().cudaStreamIsDone(this.handle);
  }

  /** What is queued from here on runs after what `other` holds now. Inside a capture it makes a branch, or joins it. */
  waitFor(other: CudaStream | CudaEvent): void {
    if (other instanceof CudaEvent) {
      requireBinding().cudaStreamWait(this.handle, other.handle);
      return;
    }
    requireStream(other);
    const event = new CudaEvent(other.device);
    try {
      event.record(other);
      this.waitFor(event);
    } finally {
      event.free();
    }
  }

  /** Whether it takes part in a capture, from the start or by waiting for a stream that does. */
  isCapturing(): boolean {
    return requireBinding().cudaIsCapturing(this.handle);
  }
}

/** A mark in a stream. Throws as `CudaStream` does. */
export class CudaEvent extends CudaResource {
  constructor(device: number, options: { readonly timed?: boolean } = {}) {
    if (typeof options !== "object" || options === null) refuse("the options of an event must be an object");
    openCuda();
    super(requireBinding().cudaEvent(device, options.timed ?? false));
  }

  record(stream: CudaStream): void {
    requireStream(stream);
    requireBinding().cudaEventRecord(this.handle, stream.handle);
  }

  isDone(): boolean {
    return requireBinding().cudaEventIsDone(this.handle);
  }

  synchronize(): void {
    requireBinding().cudaEventSynchronize(this.handle);
  }

  /** Milliseconds since `start`. Both are timed, recorded and done; `ERR_CUDA` otherwise. */
  since(start: CudaEvent): number {
    if (!(start instanceof CudaEvent)) refuse("the start must be a CudaEvent");
    return requireBinding().cudaEventElapsed(start.handle, this.handle);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no stream. */
export function requireStream(stream: unknown): asserts stream is CudaStream {
  if (!(stream instanceof CudaStream)) refuse("a stream must be a CudaStream");
}

function refuse(wanted: string): never {
  throw new QkNormError("ERR_QKNORM_ARGUMENT", wanted);
}
