import { capture } from "@qknorm/core";
import { CudaGraph } from "@qknorm/native/cuda";
import type { CapturedGraph } from "../../backend.ts";
import { cudaStream } from "./device-state.ts";

/** Captures what `work` queues on the current stream of a device. What it throws comes out as it is. */
export function captureGraph(ordinal: number, work: () => unknown): CapturedGraph {
  const graph = CudaGraph.capture(cudaStream(ordinal), () => capture(work));
  return {
    replay: () => graph.replay(cudaStream(ordinal)),
    dispose: () => graph.free(),
  };
}
