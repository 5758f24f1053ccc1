import { CudaMemory, cudaLikeliest, likeliestScratch } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import type { GrowingTexts } from "../../op-specs.ts";
import { floatDtypeOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** Each text of B goes on with the largest of its `logits [B, V]`. Queued on the current stream. */
export function likeliest(logits: TensorView, { ids, positions, log }: GrowingTexts<TensorView>): void {
  const [rows, width] = logits.shape as [number, number];
  const [kernels, stream] = queueOf(logits);
  const scratch = new CudaMemory(stream, likeliestScratch(rows, width));
  const call = {
    ...{ dtype: floatDtypeOf(logits), rows, width, places: log.shape[1] as number },
    ...{ logits: rowsOf(logits), ids: placeOf(ids), positions: placeOf(positions), log: placeOf(log) },
  };
  try {
    cudaLikeliest(kernels, stream, call, scratch);
  } finally {
    scratch.free();
  }
}
