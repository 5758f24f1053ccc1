import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { format, resolveHeadLayout } from "./head-layout.ts";

describe("accepted shapes", () => {
  test.each([
    // q, k, D, leading, tokens, Hq, Hkv
    ["heads flat", [7, 512], [7, 256], 128, [7], 7, 4, 2],
    ["heads split", [7, 4, 128], [7, 2, 128], 128, [7], 7, 4, 2],
    ["a batch, heads flat", [2, 7, 512], [2, 7, 256], 128, [2, 7], 14, 4, 2],
    ["a batch, heads split", [2, 7, 4, 128], [2, 7, 2, 128], 128, [2, 7], 14, 4, 2],
    ["five dimensions", [3, 2, 7, 4, 128], [3, 2, 7, 2, 128], 128, [3, 2, 7], 42, 4, 2],
    ["one token without a token dimension", [512], [128], 128, [], 1, 4, 1],
    ["one flat head each in two dimensions", [7, 128], [7, 128], 128, [7], 7, 1, 1],
    ["one flat KV head in three dimensions", [2, 7, 512], [2, 7, 128], 128, [2, 7], 14, 4, 1],
    ["one flat query head in three dimensions", [2, 7, 128], [2, 7, 256], 128, [2, 7], 14, 1, 2],
    ["a head dim of one", [7, 4], [7, 2], 1, [7], 7, 4, 2],
    ["no token", [0, 512], [0, 256], 128, [0], 0, 4, 2],
    ["no batch", [0, 7, 4, 128], [0, 7, 2, 128], 128, [0, 7], 0, 4, 2],
    ["no head, flat", [7, 0], [7, 0], 128, [7], 7, 0, 0],
    ["no head, split", [7, 0, 128], [7, 0, 128], 128, [7], 7, 0, 0],
  ] as const)("%s", (_, q, k, headDim, leading, tokens, queryHeads, kvHeads) => {
    expect(resolveHeadLayout(q, k, headDim)).toEqual({
      order: "tokens-first",
      ...{ leading, tokens, headDim, queryHeads, kvHeads },
    });
  });
});

describe("heads first", () => {
  test.each([
    ["one sequence", [4, 7, 128], [2, 7, 128], [7], 7, 4, 2],
    ["a batch", [3, 4, 7, 128], [3, 2, 7, 128], [3, 7], 21, 4, 2],
    ["as many heads as tokens", [4, 4, 128], [4, 4, 128], [4], 4, 4, 4],
    ["no token", [4, 0, 128], [2, 0, 128], [0], 0, 4, 2],
  ] as const)("%s", (_, q, k, leading, tokens, queryHeads, kvHeads) => {
    expect(resolveHeadLayout(q, k, 128, "heads-first")).toEqual({
      order: "heads-first",
      ...{ leading, tokens, headDim: 128, queryHeads, kvHeads },
    });
  });

  test.each([
    ["heads that are flat", [7, 512], [7, 256], "[..., heads, tokens, head dim]"],
    ["another head dim", [4, 7, 64], [2, 7, 64], "[..., heads, tokens, head dim]"],
    ["other tokens", [4, 7, 128], [2, 6, 128], "the same tokens"],
    ["another batch", [3, 4, 7, 128], [2, 2, 7, 128], "the same tokens"],
  ] as const)("%s are refused", (_, q, k, says) => {
    expect(() => resolveHeadLayout(q, k, 128, "heads-first")).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_SHAPE", message: expect.stringContaining(says) }),
    );
  });
});

test("a refusal says that the heads come first where they do, and nothing of it elsewhere", () => {
  expect(() => resolveHeadLayout([4, 7, 64], [2, 7, 64], 128, "heads-first")).toThrow(
    /head dim 128, heads first$/,
  );
  expect(() => resolveHeadLayout([7, 512], [8, 256], 128)).toThrow(/head dim 128$/);
});

describe("refused shapes", () => {
  test.each([
    ["a last dimension that does not divide", [7, 500], [7, 256], 128, "last dimension of q (500)"],
    ["a last dimension of k that does not divide", [7, 512], [7, 250], 128, "last dimension of k (250)"],
    ["heads flat beside heads split", [7, 512], [7, 2, 128], 128, "same number of dimensions"],
    ["other tokens", [7, 512], [8, 256], 128, "same tokens"],
    ["another batch", [2, 7, 4, 128], [3, 7, 2, 128], 128, "same tokens"],
    ["tokens and batch exchanged", [2, 7, 512], [7, 2, 256], 128, "same tokens"],
    ["q split beside k flat of the same rank", [7, 4, 128], [7, 2, 256], 128, "same tokens"],
    ["no dimension", [], [], 128, "at least one dimension"],
    ["no dimension of k", [7, 512], [], 128, "at least one dimension"],
    ["more elements than a number can count", [2 ** 40, 2 ** 40, 128], [2 ** 40, 2 ** 40, 128], 128, "2^53"],
    ["a head dim of zero", [7, 512], [7, 256], 0, "positive integer, got 0"],
    ["a negative head dim", [7, 512], [7, 256], -128, "positive integer, got -128"],
    ["a broken head dim", [7, 512], [7, 256], 0.5, "positive integer, got 0.5"],
    ["a head dim that is not a number", [7, 512], [7, 256], Number.NaN, "positive integer, got NaN"],
    ["an infinite head dim", [7, 512], [7, 256], Number.POSITIVE_INFINITY, "positive integer, got Infinity"],
  ] as const)("%s", (_, q, k, headDim, says) => {
    expect(() => resolveHeadLayout(q, k, headDim)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_SHAPE", message: expect.stringContaining(says) }),
    );
  });

  test("the message gives both shapes and the head dim", () => {
    expect(() => resolveHeadLayout([2, 500], [2, 256], 128)).toThrow(
      /q \[2, 500\], k \[2, 256\], head dim 128/,
    );
  });
});

const dims = fc.record({
  leading: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 4 }),
  queryHeads: fc.integer({ min: 0, max: 40 }),
  kvHeads: fc.integer({ min: 0, max: 40 }),
  headDim: fc.integer({ min: 1, max: 300 }),
});

test("split heads are read back from any leading dimensions", () => {
  fc.assert(
    fc.property(dims, ({ leading, queryHeads, kvHeads, headDim }) => {
      const layout = resolveHeadLayout(
        [...leading, queryHeads, headDim],
        [...leading, kvHeads, headDim],
        headDim,
      );
      expect(layout).toMatchObject({ leading, queryHeads, kvHeads, headDim });
      expect(layout.tokens).toBe(leading.reduce((a, b) => a * b, 1));
    }),
  );
});

test("flat heads are read back unless both sides have one head, where three dimensions mean split heads", () => {
  fc.assert(
    fc.property(dims, ({ leading, queryHeads, kvHeads, headDim }) => {
      const q = [...leading, queryHeads * headDim];
      const layout = resolveHeadLayout(q, [...leading, kvHeads * headDim], headDim);
      const split = leading.length >= 2 && queryHeads === 1 && kvHeads === 1;
      const heads = leading.at(-1) as number;
      expect(layout).toMatchObject(
        split
          ? { leading: leading.slice(0, -1), queryHeads: heads, kvHeads: heads }
          : { leading, queryHeads, kvHeads },
      );
    }),
  );
});

test("any change of one leading dimension is refused", () => {
  fc.assert(
    fc.property(dims, fc.nat(), fc.integer({ min: 1, max: 5 }), (shape, at, by) => {
      const { leading, headDim } = shape;
      const other = leading.map((dim, i) => (i === at % leading.length ? dim + by : dim));
      expect(() => resolveHeadLayout([...leading, 2, headDim], [...other, 2, headDim], headDim)).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }),
      );
    }),
  );
});

test("a shape is written as every message writes it", () => {
  expect([format([]), format([2, 7, 128])]).toEqual(["[]", "[2, 7, 128]"]);
});
