import { capture, QkNormError } from "@qknorm/core";
import { CudaGraph } from "@qknorm/native";
import { type CudaDeviceName, ordinalOf } from "../device.ts";
import { typedError } from "../native-errors.ts";
import { cudaStream } from "./streams.ts";

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
  readonly device: CudaDeviceName;
  readonly #ordinal: number;
  readonly #graph: CudaGraph;

  /**
   * Captures what `fn` queues on the current stream of a device, and on streams that wait for it and are waited for in
   * the end. Nothing runs meanwhile. An exception of `fn` leaves no graph, and comes out as it is.
   *
   * Throws `ERR_QKNORM_SCOPE` (captured already; a copy from or to the CPU; a kernel that is not loaded yet; `fn` is
   * asynchronous), `ERR_CUDA`, `ERR_QKNORM_DEVICE`.
   */
  static capture(device: CudaDeviceName, fn: () => unknown): DeviceGraph {
    return new DeviceGraph(device, fn);
  }

  private constructor(device: CudaDeviceName, fn: () => unknown) {
    const ordinal = ordinalOf(device);
    if (ordinal === null) throw new QkNormError("ERR_QKNORM_DEVICE", "work on the cpu cannot be captured");
    this.device = device;
    this.#ordinal = ordinal;
    let thrown: { readonly error: unknown } | undefined;
    try {
      this.#graph = CudaGraph.capture(cudaStream(ordinal), () => {
        try {
          capture(fn);
        } catch (error) {
          thrown = { error };
          throw error;
        }
      });
    } catch (error) {
      throw thrown === undefined ? typedError(error) : thrown.error;
    }
  }

  /**
   * Queues all of it on the current stream. Throws `ERR_QKNORM_ARGUMENT` once disposed, `ERR_QKNORM_SCOPE` inside a
   * capture of the stream, `ERR_CUDA`.
   */
  replay(): void {
    const stream = cudaStream(this.#ordinal);
    try {
      this.#graph.replay(stream);
    } catch (error) {
      throw typedError(error);
    }
  }

  dispose(): void {
    this.#graph.free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
