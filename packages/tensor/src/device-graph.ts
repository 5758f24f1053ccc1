import { QkNormError } from "@qknorm/core";
import type { CapturedGraph } from "./backend.ts";
import type { Device } from "./device.ts";
import { backendOf } from "./devices.ts";

/**
 * What a function queued on a device, to be queued again as a whole, over the same memory:
 *
 *     await warmUpQkNorm({ q, k, qNorm, kNorm, headDim }); // a capture compiles nothing
 *     using graph = DeviceGraph.capture("cuda:0", () => applyQkNorm(q, k, qNorm, kNorm, headDim));
 *     graph.replay();
 *
 * It keeps the memory that it uses until it is disposed: also what its tensors lie in after they were.
 */
export class DeviceGraph {
  readonly device: Device;
  readonly #graph: CapturedGraph;

  /**
   * Captures what `fn` queues on the current stream of a device, and on streams that wait for it and are waited for in
   * the end. Nothing runs meanwhile. An exception of `fn` leaves no graph, and comes out as it is.
   *
   * Throws `ERR_QKNORM_SCOPE` (captured already; a copy from or to the CPU; a kernel that is not loaded yet; `fn` is
   * asynchronous), `ERR_CUDA`, `ERR_QKNORM_DEVICE` (not open, or a device that captures nothing).
   */
  static capture(device: Device, fn: () => unknown): DeviceGraph {
    const { capture } = backendOf(device);
    if (capture === null) {
      throw new QkNormError("ERR_QKNORM_DEVICE", `work on the ${device} cannot be captured`);
    }
    return new DeviceGraph(device, capture(fn));
  }

  private constructor(device: Device, graph: CapturedGraph) {
    this.device = device;
    this.#graph = graph;
  }

  /**
   * Queues all of it on the current stream. Throws `ERR_QKNORM_ARGUMENT` once disposed, `ERR_QKNORM_SCOPE` inside a
   * capture of the stream, `ERR_CUDA`.
   */
  replay(): void {
    this.#graph.replay();
  }

  dispose(): void {
    this.#graph.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
