import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { CudaResource, type CudaStream, requireStream } from "./stream.ts";

/**
 * What was captured, ready to be replayed. It keeps the memory that it uses alive.
 */
export class CudaGraph extends CudaResource {
  /**
   * Captures what `queue` puts on `stream` and on streams that wait for it; each of those must be waited for by
   * `stream` in the end. Nothing runs meanwhile. An exception ends the capture, leaves no graph, and is thrown on.
   *
   * Throws `ERR_QKNORM_SCOPE` (captured already, a copy from or to the host, a kernel that was not loaded before),
   * `ERR_CUDA` (a branch that was not joined, a call that cannot be captured), `ERR_QKNORM_ARGUMENT`.
   */
  static capture(stream: CudaStream, queue: () => void): CudaGraph {
    requireStream(stream);
    if (typeof queue !== "function")
      throw new QkNormError("ERR_QKNORM_ARGUMENT", "what a graph captures must be a function");
    return new CudaGraph(record(stream, queue));
  }

  private constructor(captured: number) {
    const binding = requireBinding();
    try {
      super(binding.cudaGraphInstantiate(captured));
    } finally {
      binding.cudaFree(captured);
    }
  }

  /** Queues the whole graph. Throws `ERR_QKNORM_DEVICE`, `ERR_QKNORM_SCOPE` (the stream is captured), `ERR_CUDA`. */
  replay(stream: CudaStream): void {
    requireStream(stream);
    requireBinding().cudaGraphReplay(this.handle, stream.handle);
  }
}

function record(stream: CudaStream, queue: () => void): number {
  const binding = requireBinding();
  binding.cudaCaptureBegin(stream.handle);
  try {
    queue();
  } catch (error) {
    endBroken(stream);
    throw error;
  }
  return binding.cudaCaptureEnd(stream.handle);
}

// What broke the capture is the error to report, not that its end fails too.
function endBroken(stream: CudaStream): void {
  const binding = requireBinding();
  try {
    binding.cudaFree(binding.cudaCaptureEnd(stream.handle));
  } catch {
    // It is ended all the same.
  }
}
