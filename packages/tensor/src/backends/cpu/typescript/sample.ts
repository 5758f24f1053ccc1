import type { TensorView } from "../../../backend.ts";
import type { GrowingTexts, TokenDraws } from "../../../op-specs.ts";
import { dataOf } from "../memory.ts";
import { goOn, largestOf } from "./likeliest.ts";
import { drawToken, likelyTokens } from "./likely-tokens.ts";
import { penalized } from "./penalties.ts";
import { load } from "./values.ts";

/** Each text of B goes on with a token drawn by its `logits [B, V]`: kernels/sample.cu. */
export function sample(
  logits: TensorView,
  texts: GrowingTexts<TensorView>,
  { settings, keys, counters, seen }: TokenDraws<TensorView>,
): void {
  const [rows, width] = logits.shape as [number, number];
  const values = new Float32Array(width);
  const number = (x: TensorView, i: number): number => dataOf(x)[x.offset + i] as number;
  for (let row = 0; row < rows; row++) {
    load(logits, logits.offset + row * (logits.strides[0] as number), width, values);
    const [temperature, topP, minP, repetitionPenalty, presencePenalty, frequencyPenalty] = Array.from(
      { length: 6 },
      (_, i) => number(settings, 6 * row + i),
    ) as [number, number, number, number, number, number];
    const [topK, low, high] = [0, 1, 2].map((i) => number(keys, 3 * row + i)) as [number, number, number];
    const counts = seen && dataOf(seen).subarray(seen.offset + row * width, seen.offset + (row + 1) * width);
    if (counts !== null) {
      const penalties = { repetitionPenalty, presencePenalty, frequencyPenalty };
      for (let id = 0; id < width; id++) {
        const count = counts[id] as number;
        if (count > 0) values[id] = penalized(values[id] as number, count >> 1, penalties);
      }
    }
    let token = largestOf(values);
    if (token >= 0 && temperature > 0) {
      const cuts = { temperature, topK: topK >>> 0, topP, minP };
      token = drawToken(
        likelyTokens(values, values[token] as number, cuts),
        [low, high],
        number(counters, row),
      );
    }
    if (counts !== null && token >= 0) counts[token] = (counts[token] as number) + 2;
    goOn(texts, row, token);
  }
}
