import { describe, expect, test } from "vitest";
import { failure } from "../test/errors.ts";
import type { TensorLayout } from "./checked-view.ts";
import { Tensor } from "./tensor.ts";

describe("bad arguments of a tensor", () => {
  const make = (shape: unknown, layout?: unknown): Tensor =>
    new Tensor(new Float32Array(64), "f32", shape as number[], layout as TensorLayout);
  const odd: [string, unknown][] = [
    ["a negative", -1],
    ["a fraction", 1.5],
    ["NaN", Number.NaN],
    ["infinity", Number.POSITIVE_INFINITY],
    ["2^53", 2 ** 53],
    ["a string", "2"],
    ["a bigint", 2n],
    ["a symbol", Symbol("2")],
    ["an object without a prototype", Object.create(null)],
    ["undefined", undefined],
    ["null", null],
  ];

  test.each(odd)("%s is no dimension, stride, offset, axis, bound or size", (_, dim) => {
    const x = make([2, 3]);
    const n = dim as number;
    failure("ERR_QKNORM_SHAPE", () => make([2, dim]));
    failure("ERR_QKNORM_SHAPE", () => make([2, 2], { strides: [dim, 1] }));
    if (dim !== undefined) failure("ERR_QKNORM_SHAPE", () => make([2, 2], { offset: dim }));
    failure("ERR_QKNORM_SHAPE", () => Tensor.zeros([n]));
    failure("ERR_QKNORM_SHAPE", () => x.reshape([n]));
    failure("ERR_QKNORM_SHAPE", () => x.slice(0, n, 2));
    failure("ERR_QKNORM_SHAPE", () => x.slice(0, 0, n));
    failure("ERR_QKNORM_SHAPE", () => x.split(0, [n, 3]));
    if (dim !== -1) {
      failure("ERR_QKNORM_SHAPE", () => x.dim(n));
      failure("ERR_QKNORM_SHAPE", () => x.transpose(n, 0));
      failure("ERR_QKNORM_SHAPE", () => x.slice(n, 0, 1));
    }
  });

  test("a list of dimensions must be a real array without holes", () => {
    // biome-ignore lint/suspicious/noSparseArray: a hole is what this test is about
    const sparse = [2, , 3];
    for (const shape of [
      sparse,
      new Array(2),
      "22",
      { length: 2, 0: 2, 1: 2 },
      null,
      4,
      new Int32Array([2, 2]),
    ]) {
      failure("ERR_QKNORM_SHAPE", () => make(shape));
      failure("ERR_QKNORM_SHAPE", () => make([2, 2]).reshape(shape as number[]));
      failure("ERR_QKNORM_SHAPE", () => make([2, 2]).split(0, shape as number[]));
    }
    failure("ERR_QKNORM_SHAPE", () => make([2, 2], { strides: sparse }));
    failure("ERR_QKNORM_SHAPE", () => make([2, 2], { strides: [1] }));
    failure("ERR_QKNORM_ARGUMENT", () => make([2, 2], null));
    failure("ERR_QKNORM_ARGUMENT", () => make([2, 2], 3));
  });

  test("a proxy that answers differently each time is read once", () => {
    let reads = 0;
    const shape = new Proxy([2, 2], {
      get: (target, key, receiver) => (key === "1" ? 2 ** (++reads * 4) : Reflect.get(target, key, receiver)),
    });
    expect(make(shape).shape).toEqual([2, 16]);
  });

  test("sizes that cannot be counted are refused, also behind a zero", () => {
    const huge = 2 ** 52;
    for (const shape of [
      [huge, huge],
      [0, huge, huge],
      [huge, huge, 0],
      new Array(40).fill(huge).with(9, 0),
    ]) {
      failure("ERR_QKNORM_SHAPE", () => make(shape));
      failure("ERR_QKNORM_SHAPE", () => Tensor.zeros(shape));
      failure("ERR_QKNORM_SHAPE", () => make([0]).reshape(shape));
      failure("ERR_QKNORM_SHAPE", () => make(shape, { strides: shape.map(() => 0) }));
    }
    failure("ERR_QKNORM_SHAPE", () => Tensor.zeros([2 ** 50]));
    failure("ERR_QKNORM_SHAPE", () => make(new Array(65).fill(1)));
    failure("ERR_QKNORM_SHAPE", () => make(new Array(2 ** 32 - 1)));
    failure("ERR_QKNORM_SHAPE", () => make([2]).split(0, new Array(2 ** 32 - 1)));
    expect(make(new Array(64).fill(1)).size).toBe(1);
  });

  test("a view must lie within its memory", () => {
    expect(make([8, 8]).size).toBe(64);
    failure("ERR_QKNORM_LAYOUT", () => make([8, 8], { offset: 1 }));
    failure("ERR_QKNORM_LAYOUT", () => make([2, 2], { strides: [63, 1] }));
    failure("ERR_QKNORM_LAYOUT", () =>
      make([2], { strides: [Number.MAX_SAFE_INTEGER], offset: Number.MAX_SAFE_INTEGER }),
    );
    expect(make([2, 2], { strides: [62, 1] }).size).toBe(4);
  });

  test.each([
    ["f32", new Float64Array(4)],
    ["f32", new Int32Array(4)],
    ["bf16", new Int16Array(4)],
    ["f16", new Float32Array(4)],
    ["i32", new Uint32Array(4)],
    ["f32", [0, 0, 0, 0]],
    ["f32", null],
    ["f32", new ArrayBuffer(16)],
    ["f32", Object.create(Float32Array.prototype)],
  ] as const)("memory of another type than %s's is refused", (dtype, data) => {
    failure("ERR_QKNORM_DTYPE", () => new Tensor(data as never, dtype, [4]));
  });

  test.each(["f64", "toString", "", 5, null, undefined, Symbol("f32"), Object.create(null)])(
    "a dtype that is none is refused",
    (dtype) => {
      failure("ERR_QKNORM_DTYPE", () => new Tensor(new Float32Array(4), dtype as never, [4]));
      if (dtype !== undefined) {
        failure("ERR_QKNORM_DTYPE", () => Tensor.zeros([4], dtype as never));
        failure("ERR_QKNORM_DTYPE", () => Tensor.from([4], [1], dtype as never));
      }
    },
  );

  test("slices and splits must fit the axis", () => {
    const x = make([4, 3]);
    failure("ERR_QKNORM_SHAPE", () => x.slice(0, 3, 2));
    failure("ERR_QKNORM_SHAPE", () => x.slice(1, 0, 4));
    failure("ERR_QKNORM_SHAPE", () => x.slice(2, 0, 1));
    failure("ERR_QKNORM_SHAPE", () => x.slice(-3, 0, 1));
    failure("ERR_QKNORM_SHAPE", () => x.split(1, [1, 1]));
    failure("ERR_QKNORM_SHAPE", () => x.split(1, [5, -2]));
    failure("ERR_QKNORM_SHAPE", () => x.reshape([5, 2]));
    failure("ERR_QKNORM_SHAPE", () => Tensor.zeros([]).dim(0));
  });
});
