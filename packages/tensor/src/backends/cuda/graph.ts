import { capture } from "@qknorm/core";
import { CudaGraph } from "@qknorm/native/cuda";
import type { CapturedGraph } from "../../backend.ts";
import { cudaStream } from "./device-state.ts";
import { loadMissed } from "./joined-steps.ts";

/**
 * Captures what `work` queues on the current stream of a device. What it throws comes out as it is. It is called once more
 * where ops were joined in it for the first time: their kernel could not be loaded meanwhile.
 */
export function captureGraph(ordinal: number, work: () => unknown): CapturedGraph {
  const record = (): CudaGraph => CudaGraph.capture(cudaStream(ordinal), () => capture(work));
  let graph = record();
  if (loadMissed()) {
    graph.free();
    graph = record();
  }
  return {
    replay: () => graph.replay(cudaStream(ordinal)),
    dispose: () => graph.free(),
  };
}
