import { describe, expect, test } from "vitest";
import type { NormSpec } from "./norm-spec.ts";
import { type ReferenceRows, referenceNorm } from "./reference.ts";

type Spec = NormSpec<ArrayLike<number>>;
const rms: Spec = { kind: "rms", axis: "head", weight: null, eps: 0, weightOffset: 0, rounding: "once" };

function run(spec: Partial<Spec>, x: number[], rows: Partial<ReferenceRows> = {}): number[] {
  return [
    ...referenceNorm({ x, heads: 1, headDim: x.length, dtype: "f64", ...rows, spec: { ...rms, ...spec } }),
  ];
}

describe("the formulas, by hand", () => {
  test("RMS divides by the root of the mean of the squares", () => {
    expect(run({}, [1, 7])).toEqual([1 / 5, 7 / 5].map((y) => expect.closeTo(y, 15))); // mean of 1 and 49 is 25
  });

  test("L2 divides by the root of their sum", () => {
    expect(run({ kind: "l2" }, [3, 4])).toEqual([0.6, 0.8].map((y) => expect.closeTo(y, 15)));
  });

  test("layer subtracts the mean, then divides by the standard deviation without Bessel's correction", () => {
    expect(run({ kind: "layer" }, [1, 5])).toEqual([-1, 1]); // mean 3, variance 4
  });

  test("eps stands under the root: beside the mean for RMS, beside the sum for L2, beside the variance for layer", () => {
    expect(run({ eps: 11 }, [1, 7])).toEqual([1 / 6, 7 / 6].map((y) => expect.closeTo(y, 15)));
    expect(run({ kind: "l2", eps: 144 }, [3, 4])).toEqual([3 / 13, 4 / 13].map((y) => expect.closeTo(y, 15)));
    expect(run({ kind: "layer", eps: 12 }, [1, 5])).toEqual([-0.5, 0.5]);
  });

  test("the weight multiplies, with the offset added to it first, and the bias is added last", () => {
    expect(run({ kind: "layer", weight: [2, 3] }, [1, 5])).toEqual([-2, 3]);
    expect(run({ kind: "layer", weight: [2, 3], weightOffset: 1 }, [1, 5])).toEqual([-3, 4]);
    expect(run({ kind: "layer", weight: [2, 3], weightOffset: 1, bias: [10, 20] }, [1, 5])).toEqual([7, 24]);
    expect(run({ kind: "layer", bias: [10, 20] }, [1, 5])).toEqual([9, 21]);
  });

  test("a missing weight counts as 1, with an offset too", () => {
    expect(run({ kind: "layer", weightOffset: 1 }, [1, 5])).toEqual([-1, 1]);
  });
});

describe("heads and rows", () => {
  const x = [1, 5, 2, 10, 3, 7, 0, 4]; // two tokens of two heads of two

  test("each head is a row of its own, and a weight of D values serves every head", () => {
    expect(run({ kind: "layer", weight: [1, 2] }, x, { heads: 2, headDim: 2 })).toEqual([
      -1, 2, -1, 2, -1, 2, -1, 2,
    ]);
  });

  test("a weight and a bias of H*D values serve one head each, and start again with every token", () => {
    const spec = { kind: "layer", weight: [1, 2, 3, 4], bias: [0, 0, 10, 10] } as const;
    expect(run(spec, x, { heads: 2, headDim: 2 })).toEqual([-1, 2, 7, 14, -1, 2, 7, 14]);
  });

  test("the axis row takes all heads of a token together", () => {
    const y = run({ axis: "row", weight: [1, 2, 3, 4] }, [1, 1, 1, 1, 2, 2, 2, 2], { heads: 2, headDim: 2 });
    expect(y).toEqual([1, 2, 3, 4, 1, 2, 3, 4]);
  });

  test("no token gives no value", () => {
    expect(run({}, [], { heads: 4, headDim: 8 })).toEqual([]);
  });
});

describe("rounding", () => {
  test("once rounds the end alone; hf rounds the normalised row before the weight as well", () => {
    // bf16 has 1.3984375 next to 7/5, and steps of 1/16 from 8 to 16.
    const rows = { dtype: "bf16" } as const;
    expect(run({ weight: [9, 9] }, [1, 7], rows)[1]).toBe(12.625); // of 12.6
    expect(run({ weight: [9, 9], rounding: "hf" }, [1, 7], rows)[1]).toBe(12.5625); // of 9 * 1.3984375 = 12.5859375
  });

  test("hf rounds the product once more before the bias", () => {
    const spec = { weight: [9, 9], bias: [0, 15 / 512] } as const;
    expect(run({ ...spec, rounding: "hf" }, [1, 7], { dtype: "bf16" })[1]).toBe(12.5625); // of 12.591796875, and not of 12.615234375
    expect(run(spec, [1, 7], { dtype: "bf16" })[1]).toBe(12.625);
  });

  test("f32 results are f32 values, f64 results are not rounded", () => {
    const x = [1, 2, 3];
    expect(run({}, x, { dtype: "f32" })).toEqual(run({}, x).map(Math.fround));
    expect(run({}, x)).not.toEqual(run({}, x).map(Math.fround));
  });
});

describe("special values", () => {
  test("NaN and infinity spoil their own row and no other", () => {
    const y = run({}, [Number.NaN, 1, 2, 2, Number.POSITIVE_INFINITY, 1], { heads: 1, headDim: 2 });
    expect(y).toEqual([Number.NaN, Number.NaN, 1, 1, Number.NaN, 0]);
  });

  test("a row of zeros stays zero while eps is positive, and is NaN without", () => {
    expect(run({ eps: 1e-6 }, [0, 0])).toEqual([0, 0]);
    expect(run({ eps: 0 }, [0, 0])).toEqual([Number.NaN, Number.NaN]);
  });

  test("negative zeros keep their sign, in the values and in the weight", () => {
    expect(run({ eps: 1 }, [-0, 1])[0]).toBe(-0);
    expect(run({ eps: 1, weight: [-0, 1] }, [1, 1])[0]).toBe(-0);
  });
});

describe("wrong input", () => {
  const good: ReferenceRows = { x: [1, 2, 3, 4], heads: 2, headDim: 2, dtype: "f32", spec: rms };

  test.each([
    ["values that are not whole tokens", { x: [1, 2, 3] }, "ERR_QKNORM_SHAPE"],
    ["a head dim of zero", { headDim: 0 }, "ERR_QKNORM_SHAPE"],
    ["negative heads and head dim", { heads: -2, headDim: -2 }, "ERR_QKNORM_SHAPE"],
    ["half a head", { heads: 0.5, headDim: 2 }, "ERR_QKNORM_SHAPE"],
    ["a symbol as head dim", { headDim: Symbol("D") }, "ERR_QKNORM_SHAPE"],
    ["a weight of another length", { spec: { ...rms, weight: [1, 2, 3] } }, "ERR_QKNORM_SHAPE"],
    ["a bias of another length", { spec: { ...rms, bias: [1] } }, "ERR_QKNORM_SHAPE"],
    ["a weight that is a number", { spec: { ...rms, weight: 1 } }, "ERR_QKNORM_SHAPE"],
    ["an unknown dtype", { dtype: "f8" }, "ERR_QKNORM_DTYPE"],
    ["an unknown dtype without values", { dtype: "f8", x: [] }, "ERR_QKNORM_DTYPE"],
    ["no values", { x: null }, "ERR_QKNORM_ARGUMENT"],
    ["a string of values", { x: "1234" }, "ERR_QKNORM_ARGUMENT"],
    ["no spec", { spec: undefined }, "ERR_QKNORM_NORM"],
  ])("%s is refused", (_, over, code) => {
    expect(() => referenceNorm({ ...good, ...over } as ReferenceRows)).toThrow(
      expect.objectContaining({ code }),
    );
  });

  test.each([null, undefined, 3])("rows that are %s are refused", (rows) => {
    expect(() => referenceNorm(rows as unknown as ReferenceRows)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }),
    );
  });
});
