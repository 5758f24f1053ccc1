import * as fc from "fast-check";
import { expect, test } from "vitest";
import { addresses, indices, shapesOf, views } from "../test/view-model.ts";
import { contiguousStrides, denseFrom, isContiguous, reshapeStrides, sizeOf } from "./strides.ts";

// The only strides that could show these addresses under a shape: one step along each axis.
function onlyStrides(all: readonly number[], shape: readonly number[]): number[] {
  const dense = contiguousStrides(shape);
  return shape.map((dim, axis) => (dim > 1 ? all[dense[axis] as number]! - all[0]! : 0));
}

test("reshapeStrides finds the strides of a view whenever there are any, and none otherwise", () => {
  const seen = { view: 0, copy: 0 };
  fc.assert(
    fc.property(
      views.chain((x) => fc.tuple(fc.constant(x), shapesOf(x.size))),
      ([x, next]) => {
        const all = addresses(x);
        const strides = reshapeStrides(x.shape, x.strides, next);
        const shows = (candidate: readonly number[]): boolean =>
          indices(next).every(
            (index, n) => all[n] === index.reduce((sum, i, axis) => sum + i * candidate[axis]!, x.offset),
          );
        const possible = x.size === 0 || shows(onlyStrides(all, next));
        seen[possible ? "view" : "copy"]++;
        expect(strides !== null).toBe(possible);
        if (strides !== null && x.size > 0) expect(shows(strides)).toBe(true);
        if (strides !== null) expect(strides.every((stride) => Number.isSafeInteger(stride))).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
  expect(Math.min(seen.view, seen.copy)).toBeGreaterThan(300);
});

test("isContiguous says whether addresses count up by one", () => {
  const seen = { yes: 0, no: 0 };
  fc.assert(
    fc.property(views, (x) => {
      const dense = addresses(x).every((address, i) => address === x.offset + i);
      seen[dense ? "yes" : "no"]++;
      expect(isContiguous(x.shape, x.strides)).toBe(dense);
    }),
    { numRuns: 1000 },
  );
  expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(100);
});

test("denseFrom is the first axis from which on addresses count up by one", () => {
  fc.assert(
    fc.property(
      views.filter((x) => x.size > 0),
      (x) => {
        const all = addresses(x);
        const first = Array.from({ length: x.shape.length + 1 }, (_, axis) => axis).find((axis) => {
          const run = sizeOf(x.shape.slice(axis));
          return all.slice(0, run).every((address, i) => address === x.offset + i);
        });
        expect(denseFrom(x.shape, x.strides)).toBe(first);
      },
    ),
    { numRuns: 1000 },
  );
});
