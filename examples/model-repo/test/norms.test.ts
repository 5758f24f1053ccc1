import { describe, expect, it } from "vitest";
import { LayerNorm, RmsNorm, UnitOffsetRmsNorm } from "../src/norms.ts";
import { Tensor } from "../src/tensor.ts";
import { WeightMaker } from "../src/weights.ts";

const eps = 1e-5;
const weights = new WeightMaker(11);
const x = weights.matrix(3, 16); // [T, D]
const weight = weights.vector(16, 1);
const bias = weights.vector(16, 0);

/** The formula in float64, row by row. */
function expected(step: (row: readonly number[], i: number) => number): number[] {
  return [0, 16, 32].flatMap((start) => {
    const row = [...x.data.subarray(start, start + 16)];
    return row.map((_, i) => step(row, i));
  });
}

const mean = (row: readonly number[]) => row.reduce((a, b) => a + b, 0) / row.length;
const meanSquare = (row: readonly number[]) => mean(row.map((value) => value ** 2));

function expectClose(actual: Tensor, values: readonly number[]): void {
  expect(actual.shape).toEqual(x.shape);
  values.forEach((value, i) => {
    expect(actual.data[i]).toBeCloseTo(value, 5);
  });
}

describe("the norms follow their formulas", () => {
  it("RmsNorm multiplies by the weight", () => {
    const formula = expected((row, i) => (row[i]! / Math.sqrt(meanSquare(row) + eps)) * weight.data[i]!);
    expectClose(new RmsNorm(weight, eps).forward(x), formula);
  });

  it("UnitOffsetRmsNorm multiplies by one plus the weight", () => {
    const formula = expected((row, i) => (row[i]! / Math.sqrt(meanSquare(row) + eps)) * (1 + bias.data[i]!));
    expectClose(new UnitOffsetRmsNorm(bias, eps).forward(x), formula);
  });

  it("LayerNorm takes the mean off first and adds the bias last", () => {
    const formula = expected((row, i) => {
      const variance = meanSquare(row.map((value) => value - mean(row)));
      return ((row[i]! - mean(row)) / Math.sqrt(variance + eps)) * weight.data[i]! + bias.data[i]!;
    });
    expectClose(new LayerNorm(weight, bias, eps).forward(x), formula);
  });

  it("keep rows of any leading shape apart", () => {
    const flat = new RmsNorm(weight, eps).forward(x.reshape([-1, 16]));
    const deep = new RmsNorm(weight, eps).forward(x.reshape([1, 3, 1, 16]));
    expect(deep.shape).toEqual([1, 3, 1, 16]);
    expect(deep.data).toEqual(flat.data);
  });

  it("refuse a last axis that their weight does not fit", () => {
    expect(() => new RmsNorm(weight, eps).forward(x.reshape([-1, 8]))).toThrow(
      "weight of 16 was given a last axis of 8",
    );
  });
});

describe("a tensor", () => {
  it("shares its storage with its reshaped selves, and not with its slices", () => {
    const whole = new Tensor(Float32Array.of(1, 2, 3, 4, 5, 6), [2, 3]);
    const part = whole.slice(1, 3);
    whole.reshape([-1]).data[1] = 20;
    expect([...whole.data]).toEqual([1, 20, 3, 4, 5, 6]);
    expect(part.shape).toEqual([2, 2]);
    expect([...part.data]).toEqual([2, 3, 5, 6]);
  });

  it("refuses a shape that its values do not fill", () => {
    expect(() => x.reshape([-1, 5])).toThrow("48 values cannot be seen as [-1, 5]");
    expect(() => new Tensor(new Float32Array(3), [2, 2])).toThrow("3 values do not fill shape [2, 2]");
  });
});
