import { CudaMemory, cudaSample, sampleScratch } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import type { GrowingTexts, TokenDraws } from "../../op-specs.ts";
import { floatDtypeOf, placeOf, queueOf, rowsOf } from "./places.ts";

/** Each text of B goes on with a token drawn by its `logits [B, V]`. Queued on the current stream. */
export function sample(
  logits: TensorView,
  { ids, positions, log }: GrowingTexts<TensorView>,
  { settings, keys, counters, seen }: TokenDraws<TensorView>,
): void {
  const [rows, width] = logits.shape as [number, number];
  const [kernels, stream] = queueOf(logits);
  const scratch = new CudaMemory(stream, sampleScratch(rows, width));
  const call = {
    ...{ dtype: floatDtypeOf(logits), rows, width, places: log.shape[1] as number },
    ...{ logits: rowsOf(logits), settings: placeOf(settings), keys: placeOf(keys) },
    ...{ counters: placeOf(counters), seen: seen && placeOf(seen) },
    ...{ ids: placeOf(ids), positions: placeOf(positions), log: placeOf(log) },
  };
  try {
    cudaSample(kernels, stream, call, scratch);
  } finally {
    scratch.free();
  }
}
