import { describe, expect, it } from "vitest";
import { stackedExperts, transposedStack } from "./stacked-experts.ts";
import type { Weight, Weights } from "./weights.ts";

function weight(shape: readonly number[], values: readonly number[], dtype: "F32" | "F16" = "F32"): Weight {
  const data = dtype === "F32" ? Float32Array.from(values) : Uint16Array.from(values);
  return {
    ...{ dtype, shape, bytes: data.byteLength, read: () => data.slice() },
    readInto({ buffer, byteOffset, byteLength }) {
      expect(byteLength).toBe(data.byteLength);
      new Uint8Array(buffer, byteOffset, byteLength).set(new Uint8Array(data.buffer));
    },
  };
}

/** Two experts of one value each way; expert e's matrices hold 10 e + 1, 2 and 3. */
function experts(change: Record<string, Weight | null> = {}): Weights {
  const all: Record<string, Weight | null> = { "model.norm.weight": weight([1], [9]) };
  for (const e of [1, 0]) {
    for (const [i, part] of ["gate_proj", "up_proj", "down_proj"].entries()) {
      all[`model.layers.0.mlp.experts.${e}.${part}.weight`] = weight([1, 1], [10 * e + i + 1]);
    }
  }
  const kept = Object.entries({ ...all, ...change }).filter(
    (entry): entry is [string, Weight] => entry[1] !== null,
  );
  return new Map(kept);
}

const name = (expert: number, part: string): string => `model.layers.0.mlp.experts.${expert}.${part}.weight`;

describe("experts that have tensors of their own", () => {
  it("become two stacks, gate before up, in the order of their numbers", () => {
    const stacked = stackedExperts(experts());
    expect([...stacked.keys()]).toEqual([
      "model.norm.weight",
      "model.layers.0.mlp.experts.gate_up_proj",
      "model.layers.0.mlp.experts.down_proj",
    ]);
    const gateUp = stacked.get("model.layers.0.mlp.experts.gate_up_proj") as Weight;
    expect([gateUp.dtype, gateUp.shape, gateUp.bytes]).toEqual(["F32", [2, 2, 1], 16]);
    expect(gateUp.read()).toEqual(Float32Array.of(1, 2, 11, 12));
    const into = new Float32Array(4).subarray(2);
    (stacked.get("model.layers.0.mlp.experts.down_proj") as Weight).readInto(into);
    expect(into).toEqual(Float32Array.of(3, 13));
  });

  it("of several dtypes become f32", () => {
    const half = weight([1, 1], [0x3c00], "F16");
    const stacked = stackedExperts(experts({ [name(1, "up_proj")]: half }));
    const gateUp = stacked.get("model.layers.0.mlp.experts.gate_up_proj") as Weight;
    expect([gateUp.dtype, gateUp.read()]).toEqual(["F32", Float32Array.of(1, 2, 11, 1)]);
  });

  it.each([
    ["a tensor is missing", { [name(1, "up_proj")]: null }, /lacks .*experts\.1\.up_proj\.weight/],
    [
      "a whole expert is missing",
      { [name(0, "gate_proj")]: null, [name(0, "up_proj")]: null, [name(0, "down_proj")]: null },
      /lacks .*experts\.0\.gate_proj\.weight/,
    ],
    [
      "shapes differ",
      { [name(1, "down_proj")]: weight([1, 2], [1, 2]) },
      /experts\.1\.down_proj\.weight of shape \[1, 2\]/,
    ],
    [
      "there is a stack beside them",
      { "model.layers.0.mlp.experts.down_proj": weight([2, 1, 1], [1, 2]) },
      /beside experts that have tensors of their own/,
    ],
  ])("are refused by name where %s", (_, change, message) => {
    expect(() => stackedExperts(experts(change))).toThrow(message);
  });
});

it("a transposed stack is read with its last two axes changed, whole or into place", () => {
  const turned = transposedStack(weight([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]));
  const expected = Float32Array.of(1, 4, 2, 5, 3, 6, 7, 10, 8, 11, 9, 12);
  expect([turned.shape, turned.read()]).toEqual([[2, 3, 2], expected]);
  const into = new Float32Array(12);
  turned.readInto(into);
  expect(into).toEqual(expected);
});
