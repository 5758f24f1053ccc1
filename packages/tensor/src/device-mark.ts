import { QkNormError } from "@qknorm/core";
import type { QueueMark } from "./backend.ts";
import type { Device } from "./device.ts";
import { backendOf } from "./devices.ts";
import { allocate, bytesOf, type HostArray } from "./dtype.ts";
import { assertMemory } from "./overlap.ts";
import type { Tensor } from "./tensor.ts";

/**
 * A point in the queue of a device, which `set` moves to its end. What was queued before it can be read while later work
 * runs, as the token of one decode step while the next is made.
 */
export class DeviceMark {
  readonly #mark: QueueMark;

  /** Null for a device that runs at once. Throws `ERR_QKNORM_DEVICE` for one that is not open. */
  static on(device: Device): DeviceMark | null {
    const mark = backendOf(device).mark?.();
    return mark === undefined ? null : new DeviceMark(mark);
  }

  private constructor(mark: QueueMark) {
    this.#mark = mark;
  }

  set(): void {
    this.#mark.set();
  }

  /**
   * The elements of a dense tensor, once what was queued before the mark has run, whatever came after it. Throws
   * `ERR_QKNORM_LAYOUT` for memory that is gone or a view with gaps, `ERR_QKNORM_ARGUMENT` for an index out of range
   * (`Indices.onDevice`), `ERR_CUDA`.
   */
  readNow(x: Tensor): HostArray {
    assertMemory(x, "the tensor");
    if (!x.contiguous) throw new QkNormError("ERR_QKNORM_LAYOUT", "what is read at a mark must be dense");
    const values = allocate(x.dtype, x.size);
    if (x.size > 0) this.#mark.readNow(x.memory, x.offset * bytesOf[x.dtype], values);
    return values;
  }

  dispose(): void {
    this.#mark.dispose();
  }
}
