import { QkNormError } from "@qknorm/core";
import { CudaMemory, type CudaStream, cudaUsage } from "@qknorm/native";
import { type CudaDeviceName, ordinalOf } from "../device.ts";
import { typed, typedError } from "../native-errors.ts";
import { hold, release } from "./scope.ts";
import { cudaStream } from "./streams.ts";

/**
 * Memory of a CUDA device under one or more tensors. It lives until it is freed: by `dispose` of any tensor that lies
 * in it, by `using`, or by the `tidy` in which it was made. The garbage collector never frees it.
 */
export class CudaStorage {
  readonly device: CudaDeviceName;
  readonly ordinal: number;
  readonly bytes: number;
  readonly memory: CudaMemory;

  /**
   * Uninitialised memory, in the order of the device's current stream; `what` tells for whom, in the message of an error.
   * Throws `ERR_CUDA` past the budget or out of memory, and as `cudaStream` does.
   */
  constructor(ordinal: number, bytes: number, what: () => string) {
    this.device = `cuda:${ordinal}`;
    this.ordinal = ordinal;
    this.bytes = bytes;
    const stream = cudaStream(ordinal);
    try {
      this.memory = new CudaMemory(stream, bytes);
    } catch (error) {
      throw typedError(error, `cannot allocate ${what()} on ${this.device}`);
    }
    Object.freeze(this);
    hold(this);
  }

  get freed(): boolean {
    return this.memory.handle === 0;
  }

  /** Frees it once what is queued has run. Freeing it twice is allowed. */
  free(): void {
    release(this);
    this.memory.free();
  }

  /** Queues a copy of an array into it, from byte `offset` on. The array may change afterwards. */
  upload(array: NodeJS.TypedArray, offset: number): void {
    this.#queue((stream) => this.memory.upload(array, stream, offset));
  }

  /** Fills an array from byte `offset` on; waits for what the stream holds. */
  download(array: NodeJS.TypedArray, offset: number): void {
    this.#queue((stream) => this.memory.download(array, stream, offset));
  }

  /** Queues a copy of bytes of the same device; the ranges share none. */
  copyFrom(from: CudaStorage, fromOffset: number, offset: number, bytes: number): void {
    this.#queue((stream) => this.memory.copyFrom(from.memory, stream, { offset, fromOffset, bytes }));
  }

  /** Queues zeros into all of it. */
  clear(): void {
    this.#queue((stream) => this.memory.fill(0, stream));
  }

  #queue(work: (stream: CudaStream) => void): void {
    const stream = cudaStream(this.ordinal);
    try {
      work(stream);
    } catch (error) {
      throw typedError(error);
    }
  }
}

/**
 * Bytes that all threads have allocated on a CUDA device, memory that a graph still keeps included. A program that frees
 * what it makes sees 0 in the end.
 *
 * Throws `ERR_CUDA` without a driver, `ERR_QKNORM_DEVICE` for a device that is not there, and for the CPU, whose memory
 * is the garbage collector's.
 */
export function liveBytes(device: CudaDeviceName): number {
  const ordinal = ordinalOf(device);
  if (ordinal !== null) return typed(cudaUsage)(ordinal).liveBytes;
  throw new QkNormError("ERR_QKNORM_DEVICE", "live bytes are counted on CUDA devices, not on the cpu");
}
