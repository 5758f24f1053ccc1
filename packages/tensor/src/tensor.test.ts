import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { detach, failure, resizable, resize } from "../test/errors.ts";
import { addresses, pick, shapesOf, views } from "../test/view-model.ts";
import { contiguousStrides, sizeOf } from "./strides.ts";
import { Tensor } from "./tensor.ts";

const runs = { numRuns: 1000 };
const withShape = views.chain((x) => fc.tuple(fc.constant(x), shapesOf(x.size)));
const withAxis = views
  .filter((x) => x.shape.length > 0)
  .chain((x) => fc.tuple(fc.constant(x), fc.integer({ min: -x.shape.length, max: x.shape.length - 1 })));
const at = (x: Tensor, axis: number): number => (axis < 0 ? axis + x.shape.length : axis);

// A view shows its own addresses: reading a value of the test's memory gives its address.
function expectViewOf(x: Tensor, view: Tensor, shape: readonly number[], expected: readonly number[]): void {
  expect(view.data).toBe(x.data);
  expect(view.shape).toEqual(shape);
  expect(view.size).toBe(sizeOf(shape));
  expect([...view.toNumbers()]).toEqual(expected);
  if (view.size > 0) expect(addresses(view)).toEqual(expected);
}

describe("views", () => {
  test("tryView and view show the same elements in the same memory, or say that it takes a copy", () => {
    fc.assert(
      fc.property(withShape, ([x, shape]) => {
        const view = x.tryView(shape);
        if (view === null) {
          expect(failure("ERR_QKNORM_LAYOUT", () => x.view(shape))).toContain("without a copy");
        } else {
          expectViewOf(x, view, shape, addresses(x));
          expect(x.view(shape)).toEqual(view);
        }
      }),
      runs,
    );
  });

  test("reshape is the view where there is one, otherwise a contiguous copy in memory of its own", () => {
    fc.assert(
      fc.property(withShape, ([x, shape]) => {
        const reshaped = x.reshape(shape);
        expect(reshaped.shape).toEqual(shape);
        expect([...reshaped.toNumbers()]).toEqual(addresses(x));
        expect(reshaped.data === x.data).toBe(x.tryView(shape) !== null);
        if (reshaped.data !== x.data) expect(reshaped.strides).toEqual(contiguousStrides(shape));
      }),
      runs,
    );
  });

  test("slice shows a range of one axis", () => {
    const withRange = withAxis.chain(([x, axis]) =>
      fc
        .tuple(fc.nat(x.dim(axis)), fc.nat(x.dim(axis)))
        .map(([a, b]) => ({ x, axis, start: Math.min(a, b), end: Math.max(a, b) })),
    );
    fc.assert(
      fc.property(withRange, ({ x, axis, start, end }) => {
        const shape = x.shape.with(at(x, axis), end - start);
        const expected = pick(x, shape, (index) => index.with(at(x, axis), index[at(x, axis)]! + start));
        expectViewOf(x, x.slice(axis, start, end), shape, expected);
      }),
      runs,
    );
  });

  test("expand shows one element as often as it is asked, and refuses an axis of more", () => {
    const x = Tensor.from([1, 2, 3, 4]).view([4, 1]).slice(0, 1, 3);
    expect([...x.expand(-1, 3).toNumbers()]).toEqual([2, 2, 2, 3, 3, 3]);
    expect(x.expand(1, 0).shape).toEqual([2, 0]);
    for (const [axis, count] of [
      [0, 2],
      [1, -1],
      [1, 0.5],
      [2, 1],
    ] as const) {
      expect(() => x.expand(axis, count)).toThrow(expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }));
    }
  });

  test("split shows consecutive slices that cover the axis", () => {
    const withSizes = withAxis.chain(([x, axis]) =>
      fc
        .array(fc.nat(x.dim(axis)), { maxLength: 3 })
        .map((cuts) => [0, ...cuts.sort((a, b) => a - b), x.dim(axis)])
        .map((cuts) => ({ x, axis, cuts, sizes: cuts.slice(1).map((cut, i) => cut - cuts[i]!) })),
    );
    fc.assert(
      fc.property(withSizes, ({ x, axis, cuts, sizes }) => {
        const parts = x.split(axis, sizes);
        expect(parts).toEqual(sizes.map((size, i) => x.slice(axis, cuts[i]!, cuts[i]! + size)));
      }),
      runs,
    );
  });

  test("transpose shows two axes exchanged", () => {
    const withAxes = withAxis.chain(([x, a]) =>
      fc.tuple(fc.constant(x), fc.constant(a), fc.integer({ min: -x.shape.length, max: x.shape.length - 1 })),
    );
    fc.assert(
      fc.property(withAxes, ([x, a, b]) => {
        const swap = <T>(list: readonly T[]): T[] =>
          list.with(at(x, a), list[at(x, b)] as T).with(at(x, b), list[at(x, a)] as T);
        expectViewOf(x, x.transpose(a, b), swap(x.shape), pick(x, swap(x.shape), swap));
      }),
      runs,
    );
  });
});

describe("copies", () => {
  test("clone is contiguous, equal, and in memory of its own; toContiguous only where it must", () => {
    fc.assert(
      fc.property(views, (x) => {
        const clone = x.clone();
        expect(clone.data).not.toBe(x.data);
        expect(clone.data).toHaveLength(x.size);
        expect([...clone.data]).toEqual(addresses(x));
        expect(x.toContiguous() === x).toBe(x.contiguous);
        expect([...x.toContiguous().toNumbers()]).toEqual(addresses(x));
      }),
      runs,
    );
  });

  test("copyFrom writes every element of the view and nothing else", () => {
    const pair = views.chain((target) =>
      fc.tuple(
        fc.constant(target),
        views.map((x) => x).filter((x) => x.size >= target.size),
        fc.boolean(),
      ),
    );
    fc.assert(
      fc.property(pair, ([target, other, strided]) => {
        const flat = Tensor.from(
          Array.from({ length: 2 * target.size }, (_, i) => 1000 + i),
          undefined,
          "i32",
        );
        const source = strided
          ? flat.view([target.size, 2]).slice(1, 1, 2).view([target.size]).tryView(target.shape)
          : flat.slice(0, 0, target.size).view(target.shape);
        fc.pre(source !== null && other.size >= 0);
        const before = [...target.data];
        const values = [...source.toNumbers()];
        expect(target.copyFrom(source)).toBe(target);
        const expected = before.slice();
        for (const [i, address] of addresses(target).entries()) expected[address] = values[i]!;
        const after = [...target.data];
        for (const [i, value] of before.entries()) target.data[i] = value;
        expect(after).toEqual(expected);
      }),
      runs,
    );
  });

  test.each<[string, (x: Tensor) => [target: Tensor, source: Tensor]]>([
    ["a square onto its own transpose", (x) => [x, x.transpose(0, 1)]],
    ["rows onto the rows before them", (x) => [x.slice(0, 0, 3), x.slice(0, 1, 4)]],
    ["rows onto the rows behind them", (x) => [x.slice(0, 1, 4), x.slice(0, 0, 3)]],
    ["columns onto the columns behind them", (x) => [x.slice(1, 1, 4), x.slice(1, 0, 3)]],
    ["columns onto the columns before them", (x) => [x.slice(1, 0, 3), x.slice(1, 1, 4)]],
  ])("copyFrom of overlapping views, %s, copies what the source held before", (_, views) => {
    const [target, source] = views(
      Tensor.from(
        Array.from({ length: 16 }, (_, i) => i),
        [4, 4],
      ),
    );
    const held = source.toNumbers();
    expect(target.copyFrom(source).toNumbers()).toEqual(held);
  });

  test("copyFrom refuses other shapes, dtypes, non-tensors, and targets whose elements lie on one another", () => {
    const x = Tensor.zeros([2, 3]);
    failure("ERR_QKNORM_SHAPE", () => x.copyFrom(Tensor.zeros([3, 2])));
    failure("ERR_QKNORM_SHAPE", () => x.copyFrom(Tensor.zeros([6])));
    failure("ERR_QKNORM_DTYPE", () => x.copyFrom(Tensor.zeros([2, 3], "bf16")));
    failure("ERR_QKNORM_ARGUMENT", () => x.copyFrom([0, 0, 0, 0, 0, 0] as unknown as Tensor));
    const repeated = new Tensor(new Float32Array(3), "f32", [2, 3], { strides: [0, 1] });
    failure("ERR_QKNORM_OVERLAP", () => repeated.copyFrom(x));
    expect([...x.copyFrom(repeated).toNumbers()]).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test("copyFrom of empty views does nothing, wherever they lie", () => {
    const beyond = new Tensor(new Float32Array(0), "f32", [0, 3], { offset: 9 });
    expect(beyond.copyFrom(beyond.clone())).toBe(beyond);
    expect(beyond.toNumbers()).toHaveLength(0);
  });
});

describe("numbers", () => {
  test.each([
    ["f32", [0.1, -2, 65504], [Math.fround(0.1), -2, 65504]],
    ["bf16", [0.1, 1.001953125, 1.005859375], [0.10009765625, 1, 1.0078125]],
    ["f16", [0.1, 65519, 1e-8], [0.0999755859375, 65504, 0]],
    ["i32", [1, -2147483648, 2147483647], [1, -2147483648, 2147483647]],
  ] as const)("from and toNumbers round to %s once, ties to even", (dtype, values, expected) => {
    expect([...Tensor.from(values, [3], dtype).toNumbers()]).toEqual(expected);
  });

  test("from refuses what is no number, and what i32 does not hold", () => {
    failure("ERR_QKNORM_SHAPE", () => Tensor.from([1, 2, 3], [2]));
    for (const values of [null, undefined, 7, "12", {}, { length: -1.5 }, () => 0]) {
      failure("ERR_QKNORM_ARGUMENT", () => Tensor.from(values as unknown as number[]));
    }
    for (const value of ["1", 1n, Symbol("1"), null, undefined]) {
      failure("ERR_QKNORM_ARGUMENT", () => Tensor.from([value] as unknown as number[]));
    }
    for (const value of [0.5, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY]) {
      failure("ERR_QKNORM_ARGUMENT", () => Tensor.from([value], [1], "i32"));
    }
  });
});

describe("memory that goes away", () => {
  test("a detached buffer has room for nothing", () => {
    const data = new Float32Array(4);
    detach(data);
    expect(failure("ERR_QKNORM_LAYOUT", () => new Tensor(data, "f32", [4]))).toContain("memory has 0");
    expect(new Tensor(data, "f32", [0]).size).toBe(0);
  });

  test("reading, copying or writing a tensor whose buffer was detached or shrunk is an error", () => {
    const detached = Tensor.zeros([2, 2]);
    detach(detached.data);
    const shrunk = new Tensor(new Float32Array(resizable(16)), "f32", [2, 2]);
    resize(shrunk.data.buffer, 12);
    for (const x of [detached, shrunk]) {
      failure("ERR_QKNORM_LAYOUT", () => x.toNumbers());
      failure("ERR_QKNORM_LAYOUT", () => x.clone());
      failure("ERR_QKNORM_LAYOUT", () => Tensor.zeros([2, 2]).copyFrom(x));
      failure("ERR_QKNORM_LAYOUT", () => x.copyFrom(Tensor.zeros([2, 2])));
      failure("ERR_QKNORM_LAYOUT", () => x.transpose(0, 1));
    }
  });
});

describe("what kernels trust", () => {
  test("neither the fields of a tensor nor the arrays it was made from can change it afterwards", () => {
    const [shape, strides] = [
      [2, 2],
      [2, 1],
    ];
    const x = new Tensor(new Float32Array(4), "f32", shape, { strides });
    shape[0] = 1000;
    strides[0] = 1000;
    expect([x.shape, x.strides]).toEqual([
      [2, 2],
      [2, 1],
    ]);
    expect(() => Object.assign(x, { offset: 1000 })).toThrow(TypeError);
    expect(() => Object.assign(x.shape, [1000])).toThrow(TypeError);
    expect(() => Object.assign(x.strides, [1000])).toThrow(TypeError);
  });

  test("look-alikes and proxies are no tensors", () => {
    const x = Tensor.zeros([2]);
    expect(Tensor.is(x)).toBe(true);
    for (const other of [new Proxy(x, {}), Object.create(Tensor.prototype), { ...x }, null, undefined, 1]) {
      expect(Tensor.is(other)).toBe(false);
    }
  });
});
