// Which layers of a SmolLM3 turn by position and which have a window, where the file does not write both lists.
import { expect, it } from "vitest";
import { parseSmolLm3Config } from "../src/families/smollm3/config.ts";

const sizes = {
  ...{ model_type: "smollm3", vocab_size: 48, hidden_size: 32, intermediate_size: 40 },
  ...{ num_hidden_layers: 6, num_attention_heads: 4 },
};
const slides = { use_sliding_window: true, sliding_window: 5 };

/** What `SmolLM3Config` of transformers 5.24 makes of them: 1 where a layer turns, and "s" where it has a window. */
const made: readonly [object, string, string][] = [
  [{}, "111011", "ffffff"],
  [{ use_sliding_window: true }, "111011", "ffffff"],
  [{ sliding_window: 5 }, "111011", "ffffff"],
  [slides, "111011", "fffsff"],
  [{ ...slides, no_rope_layer_interval: 2 }, "101010", "fsfsfs"],
  [{ ...slides, no_rope_layers: [1, 1, 0, 1, 0, 1] }, "110101", "ffsfsf"],
];

it.each(made)("%j", (written, turns, windows) => {
  const config = parseSmolLm3Config({ ...sizes, ...written }, () => {});
  expect(config.rotated.map(Number).join("")).toBe(turns);
  expect(config.windows.map((window) => (window === null ? "f" : "s")).join("")).toBe(windows);
});
