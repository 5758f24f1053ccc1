import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { requireFields } from "./call-arguments.ts";
import { CudaResource, type CudaStream, requireStream } from "./stream.ts";

/**
 * Memory of a device, uninitialised unless it is to hold zeros, allocated in the order of `stream`, usable there at once and on another stream
 * once that waits for it. Freed, it goes back when every stream that used it has passed this point; a graph that was
 * captured with it keeps it to its own end. Allocated during a capture it lies outside of the graph, which keeps it: zeros are
 * written once, and not by each replay.
 *
 * Offsets and lengths are in bytes. Throws `ERR_CUDA` (past the budget, out of memory, a call that failed),
 * `ERR_QKNORM_LAYOUT` (a range that is not inside), `ERR_QKNORM_DEVICE` (a stream of another device),
 * `ERR_QKNORM_SCOPE` (a copy from or to the host inside a capture), `ERR_QKNORM_ARGUMENT` (freed, or not a number).
 */
export class CudaMemory extends CudaResource {
  readonly device: number;
  readonly bytes: number;

  constructor(stream: CudaStream, bytes: number, contents: "any" | "zeros" = "any") {
    requireStream(stream);
    super(requireBinding().cudaAllocate(stream.home, bytes, contents === "zeros"));
    this.device = stream.device;
    this.bytes = bytes;
  }

  /** Queues a copy from the host; `array` may change as soon as this returns. */
  upload(array: NodeJS.TypedArray, stream: CudaStream, offset = 0): void {
    requireStream(stream);
    requireBinding().cudaUpload(this.handle, offset, array, stream.handle);
  }

  /**
   * Queues a copy from an open file, through pinned memory alone. Returns the bytes that there were: fewer than asked for
   * where the file has ended. `ERR_NATIVE` where it cannot be read.
   */
  uploadFile(range: FileRange, stream: CudaStream, offset = 0): number {
    requireFields(range, "the range of a file");
    requireStream(stream);
    const { descriptor, position, bytes } = range;
    return requireBinding().cudaUploadFile(this.handle, offset, descriptor, position, bytes, stream.handle);
  }

  /** Fills `array` from the device; waits for what `stream` holds, and throws what `CudaStream.synchronize` does. */
  download(array: NodeJS.TypedArray, stream: CudaStream, offset = 0): void {
    requireStream(stream);
    requireBinding().cudaDownload(array, this.handle, offset, stream.handle);
  }

  /** Queues a copy from other memory of the device; `ERR_QKNORM_OVERLAP` if the ranges share bytes. */
  copyFrom(from: CudaMemory, stream: CudaStream, range: CopyRange = {}): void {
    requireMemory(from);
    requireStream(stream);
    requireFields(range, "the range of a copy");
    const { offset = 0, fromOffset = 0, bytes = from.bytes - fromOffset } = range;
    requireBinding().cudaCopy(this.handle, offset, from.handle, fromOffset, bytes, stream.handle);
  }

  /** Queues setting every byte of a range, all of it by default. */
  fill(value: number, stream: CudaStream, offset = 0, bytes = this.bytes - offset): void {
    requireStream(stream);
    requireBinding().cudaFill(this.handle, offset, bytes, value, stream.handle);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no memory of a device. */
export function requireMemory(memory: unknown): asserts memory is CudaMemory {
  if (!(memory instanceof CudaMemory))
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "memory must be a CudaMemory");
}

/** Bytes of a file that is open. */
export interface FileRange {
  readonly descriptor: number;
  readonly position: number;
  readonly bytes: number;
}

export interface CopyRange {
  readonly offset?: number;
  readonly fromOffset?: number;
  /** All from `fromOffset` on by default. */
  readonly bytes?: number;
}
