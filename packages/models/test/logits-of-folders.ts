// The logits of many folders by one process: for each line `{ "model", "ids" }` of stdin a line of stdout, the JSON of
// their f32 logits `[T][V]` with the loader's warnings, or why the folder was refused.
import { createInterface } from "node:readline";
import { convert } from "@qknorm/tensor";
import { loadModel, nextStep } from "../src/index.ts";

function answer(model: string, ids: readonly number[]): object {
  try {
    const loaded = loadModel(model, { dtype: "f32" });
    const logits = loaded.model.forward(nextStep(ids, loaded.model.newCache()), "all");
    const values = convert(logits, "f32").readNow() as Float32Array;
    const width = logits.dim(1);
    const rows = Array.from({ length: logits.dim(0) }, (_, t) => [
      ...values.subarray(t * width, (t + 1) * width),
    ]);
    return { logits: rows, warnings: loaded.warnings };
  } catch (error) {
    return { refused: (error as Error).message };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const { model, ids } = JSON.parse(line) as { model: string; ids: number[] };
  process.stdout.write(`${JSON.stringify(answer(model, ids))}\n`);
}
