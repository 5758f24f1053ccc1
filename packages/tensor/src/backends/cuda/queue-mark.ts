import { CudaEvent, CudaStream } from "@qknorm/native/cuda";
import type { Memory, QueueMark } from "../../backend.ts";
import type { HostArray } from "../../dtype.ts";
import { cudaStream } from "./device-state.ts";
import { memoryOf } from "./memory.ts";

/** A mark in the current stream of a device. It is read on a stream of its own, which waits for the mark and nothing else. */
export class CudaQueueMark implements QueueMark {
  readonly #ordinal: number;
  readonly #event: CudaEvent;
  readonly #reader: CudaStream;

  constructor(ordinal: number) {
    this.#ordinal = ordinal;
    this.#event = new CudaEvent(ordinal);
    this.#reader = new CudaStream(ordinal);
    this.set();
  }

  set(): void {
    this.#event.record(cudaStream(this.#ordinal));
  }

  readNow(memory: Memory, offset: number, into: HostArray): void {
    this.#reader.waitFor(this.#event);
    try {
      memoryOf({ memory }).download(into, this.#reader, offset);
    } catch (error) {
      this.#waitForRest();
      throw error;
    }
  }

  /** An index out of range that later passes have too is told once, and not of whoever waits next. */
  #waitForRest(): void {
    try {
      cudaStream(this.#ordinal).synchronize();
    } catch {
      // The first is thrown.
    }
  }

  dispose(): void {
    this.#event.free();
    this.#reader.free();
  }
}
