import { join } from "node:path";
import { expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { modelFamily } from "../src/families/model-types.ts";

// Heads of which an odd number of values is rotated. transformers pairs the last of them with the next value where a family
// takes as many values as there are angles; glm4-moe/plain of the goldens has 11 of 16.

const golden = join(import.meta.dirname, "../golden");

function read(variant: string, rope: object): unknown {
  const { modelType, raw } = readConfig(join(golden, variant));
  const { rope_scaling: _, partial_rotary_factor: __, rope_theta: ___, ...rest } = raw;
  return modelFamily(modelType).read({ ...rest, rope_parameters: { rope_theta: 1e4, ...rope } }, () => {});
}

it.each(["phi/normed", "stablelm/plain", "persimmon/plain"])(
  "%s takes the values that are rotated apart first, so that an odd number is refused",
  (variant) => {
    expect(() => read(variant, { rope_type: "default", partial_rotary_factor: 0.63 })).toThrow(
      /partial_rotary_factor rotates \d+ of \d+ values; it must be an even number/,
    );
  },
);

it("yarn has a ramp for whole pairs, and takes an odd number of values only where one ramp serves all", () => {
  const yarn = { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 };
  expect(() => read("glm4-moe/plain", { ...yarn, partial_rotary_factor: 0.7 })).toThrow(
    'rope_parameters.rope_type is "yarn", which needs pairs; 11 values rotate',
  );
  expect(() => read("glm4-moe/plain", { ...yarn, partial_rotary_factor: 0.2 })).not.toThrow();
});

it("a share that is more than a head is refused", () => {
  expect(() => read("glm4-moe/plain", { rope_type: "default", partial_rotary_factor: 1.5 })).toThrow(
    "partial_rotary_factor is 1.5; it must be from 0 to 1",
  );
});
