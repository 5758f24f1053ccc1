import { sample, Tensor, tidy } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { randomFrom } from "../../../core/test/random.ts";
import { plainOdds } from "../../test/plain-odds.ts";
import { resolveSampling, type SamplingOptions } from "./sampling-options.ts";

const DRAWS = 20_000;

/** How often each id was drawn, of as many rows with counters of their own. */
function drawn(logits: Float32Array, options: SamplingOptions, seed: number): Float64Array {
  const { temperature, topK, topP, minP } = resolveSampling(options);
  const counts = new Float64Array(logits.length);
  tidy(() => {
    const rows = Array.from({ length: DRAWS }, (_, row) => row);
    const repeated = (values: readonly number[]) => rows.flatMap(() => values);
    const texts = {
      ids: Tensor.zeros([DRAWS], "i32"),
      positions: Tensor.zeros([DRAWS], "i32"),
      log: Tensor.zeros([DRAWS, 1], "i32"),
    };
    sample(Tensor.from(repeated([...logits]), [DRAWS, logits.length], "f32"), texts, {
      settings: Tensor.from(repeated([temperature, topP, minP, 1, 0, 0]), [DRAWS, 6], "f32"),
      keys: Tensor.from(repeated([topK, seed, 0]), [DRAWS, 3], "i32"),
      counters: Tensor.from(rows, [DRAWS], "i32"),
      seen: null,
    });
    for (const id of texts.ids.toNumbers()) counts[id] = (counts[id] as number) + 1;
  });
  return counts;
}

describe("draws of the op `sample`", () => {
  // Some are alike, as bf16 makes them.
  const next = randomFrom(4);
  const logits = Float32Array.from({ length: 16 }, () => Math.round(16 * next()) / 4);

  it.each<SamplingOptions>([
    { temperature: 1 },
    { temperature: 0.5 },
    { temperature: 2.5, topK: 5 },
    { temperature: 1, topP: 0.7 },
    { temperature: 1.5, minP: 0.2 },
    { temperature: 1.2, topK: 9, topP: 0.8, minP: 0.15 },
  ])("come from the softmax of what transformers' warpers keep: %o", (options) => {
    const expected = plainOdds(logits, options);
    const found = drawn(logits, options, 11);
    let chiSquare = 0;
    for (const [id, count] of found.entries()) {
      const share = DRAWS * (expected.get(id) ?? 0);
      if (share === 0) expect([id, count]).toEqual([id, 0]);
      else chiSquare += (count - share) ** 2 / share;
    }
    // One in a million draws of a right sampler is beyond (Wilson and Hilferty).
    const freedom = expected.size - 1;
    const bound = freedom * (1 - 2 / (9 * freedom) + 4.75 * Math.sqrt(2 / (9 * freedom))) ** 3;
    expect(chiSquare).toBeLessThan(bound);
  });
});
