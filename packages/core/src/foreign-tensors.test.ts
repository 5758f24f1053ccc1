import { describe, expect, test } from "vitest";
import { ConsumingArray } from "../test/consuming-array.ts";
import { FlatTensor, values } from "../test/flat-tensor.ts";
import { MlxArray, mx } from "../test/mlx-like.ts";
import { quietLog } from "../test/quiet-log.ts";
import { applyQkNorm } from "./apply-qk-norm.ts";
import type { NormSpec } from "./norm-spec.ts";
import { referenceNorm } from "./reference.ts";
import type { NormLike, TensorLike } from "./tensor-like.ts";

quietLog();

const D = 8;
const Hq = 4;
const Hkv = 2;

/** A library: how to make a tensor, how to read one, and its own RMS norm over the last axis, with weight. */
interface Library<T> {
  make(data: Float64Array, shape: readonly number[]): T;
  read(x: T): { data: readonly number[]; shape: readonly number[] };
  norm(weight: Float64Array, shape: readonly number[], eps: number, spec?: NormSpec): NormLike<T>;
}

/** (a) A wrapper of a typed array, with a norm that loops. */
const plain: Library<FlatTensor> = {
  make: (data, shape) => new FlatTensor(data, shape),
  read: (x) => ({ data: [...x.data], shape: x.shape }),
  norm: (weight, _, eps, spec) => {
    const forward = (x: FlatTensor): FlatTensor => {
      const length = x.shape.at(-1) as number;
      const y = Float64Array.from(x.data);
      for (let start = 0; start < y.length; start += length) {
        const row = y.subarray(start, start + length);
        const root = Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / length + eps);
        row.forEach((v, i) => {
          row[i] = (v / root) * weight[(start + i) % weight.length]!;
        });
      }
      return new FlatTensor(y, x.shape);
    };
    return Object.assign(forward, { spec });
  },
};

/** (b) Shape behind a method, norms as modules, weights that broadcast from the right. */
const mlxLike: Library<MlxArray> = {
  make: (data, shape) => new MlxArray(data, shape),
  read: (x) => ({ data: x.tolist(), shape: x.shape() }),
  norm: (weight, shape, eps, spec) => ({
    spec,
    forward: (x) => {
      const scale = mx.rsqrt(mx.addScalar(mx.mean(mx.square(x)), eps));
      return mx.multiply(mx.multiply(x, scale), new MlxArray(weight, shape));
    },
  }),
};

/** (b') The same with the shape as a read-only view, as libraries on WebGPU have it. */
class ShapeProperty {
  readonly shape: readonly number[];
  readonly inner: MlxArray;

  constructor(inner: MlxArray) {
    this.inner = inner;
    this.shape = Object.freeze(inner.shape());
  }

  reshape(shape: number[]): ShapeProperty {
    return new ShapeProperty(this.inner.reshape(shape));
  }
}

const shapeProperty: Library<ShapeProperty> = {
  make: (data, shape) => new ShapeProperty(new MlxArray(data, shape)),
  read: (x) => mlxLike.read(x.inner),
  norm: (weight, shape, eps, spec) => {
    const inner = mlxLike.norm(weight, shape, eps) as { forward(x: MlxArray): MlxArray };
    return { spec, forward: (x) => new ShapeProperty(inner.forward(x.inner)) };
  },
};

/** (b'') The shape under the name that ONNX Runtime gives it. */
class DimsTensor {
  readonly dims: readonly number[];
  readonly inner: MlxArray;

  constructor(inner: MlxArray) {
    this.inner = inner;
    this.dims = inner.shape();
  }

  reshape(dims: readonly number[]): DimsTensor {
    return new DimsTensor(this.inner.reshape([...dims]));
  }
}

const dimsTensor: Library<DimsTensor> = {
  make: (data, shape) => new DimsTensor(new MlxArray(data, shape)),
  read: (x) => mlxLike.read(x.inner),
  norm: (weight, shape, eps, spec) => {
    const inner = mlxLike.norm(weight, shape, eps) as { forward(x: MlxArray): MlxArray };
    return { spec, forward: (x) => new DimsTensor(inner.forward(x.inner)) };
  },
};

/** (c) Every operation consumes its arguments, so each array may be used exactly once. */
const consuming: Library<ConsumingArray> = {
  make: (data, shape) => new ConsumingArray(new MlxArray(data, shape)),
  read: (x) => mlxLike.read(x.consume()),
  norm: (weight, shape, eps, spec) => ({
    spec,
    forward: (x) => {
      const scale = x.ref.square().mean().add(eps).rsqrt();
      return x.mul(scale).mul(new ConsumingArray(new MlxArray(weight, shape)));
    },
  }),
};

const shapes: [string, number[], number[]][] = [
  ["[T, H*D]", [3, Hq * D], [3, Hkv * D]],
  ["[T, H, D]", [3, Hq, D], [3, Hkv, D]],
  ["[B, T, H*D]", [2, 3, Hq * D], [2, 3, Hkv * D]],
  ["[B, T, H, D]", [2, 3, Hq, D], [2, 3, Hkv, D]],
  ["[H*D], a single token", [Hq * D], [Hkv * D]],
  ["five dimensions", [2, 1, 3, Hq, D], [2, 1, 3, Hkv, D]],
];

const rms = { kind: "rms", eps: 0, weightOffset: 0, rounding: "once" } as const;

function specify<T extends TensorLike<T>>(library: Library<T>): void {
  const elements = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

  function check(qShape: number[], kShape: number[], weightOf: "D" | "H, D" | "H*D"): void {
    const axis = weightOf === "H*D" ? "row" : "head";
    const sides = [
      { shape: qShape, heads: Hq, eps: 1e-6, seed: 1 },
      { shape: kShape, heads: Hkv, eps: 1e-2, seed: 2 },
    ].map(({ shape, heads, eps, seed }) => {
      const x = values(elements(shape), seed);
      const weight = values(weightOf === "D" ? D : heads * D, seed + 10);
      const weightShape = { D: [D], "H, D": [heads, D], "H*D": [heads * D] }[weightOf];
      const spec: NormSpec<Float64Array> = { ...rms, axis, eps, weight };
      return {
        shape,
        x: library.make(x, shape),
        norm: library.norm(weight, weightShape, eps, axis === "row" ? spec : undefined),
        expected: referenceNorm({ x, heads, headDim: D, dtype: "f64", spec }),
      };
    });
    const [q, k] = sides as [(typeof sides)[0], (typeof sides)[0]];
    const results = applyQkNorm(q.x, k.x, q.norm, k.norm, D).map(library.read);
    for (const [i, { shape, expected }] of sides.entries()) {
      expect(results[i]?.shape).toEqual(shape);
      expect(results[i]?.data).toEqual([...expected].map((value) => expect.closeTo(value, 12)));
    }
  }

  test.each(shapes)("%s equals the reference", (_, q, k) => {
    check(q, k, "D");
  });

  test.each(shapes)("%s equals the reference with a weight for each head", (_, q, k) => {
    check(q, k, "H, D");
  });

  test.each(shapes)("%s equals the reference with a norm across all heads", (_, q, k) => {
    check(q, k, "H*D");
  });
}

describe("a plain wrapper of a typed array", () => specify(plain));
describe("an MLX-like array, whose shape is a method", () => specify(mlxLike));
describe("an array whose shape is a frozen property", () => specify(shapeProperty));
describe("an array whose shape is called dims", () => specify(dimsTensor));
describe("a jax-js-like array, whose operations consume their arguments", () => {
  specify(consuming);

  test("leaks no handle: what is left alive are the two results", () => {
    const live = ConsumingArray.live;
    const norm = consuming.norm(values(D, 3), [D], 1e-6);
    const make = (heads: number) => consuming.make(values(3 * heads * D, heads), [3, heads * D]);
    const results = applyQkNorm(make(Hq), make(Hkv), norm, norm, D);
    expect(ConsumingArray.live).toBe(live + 2);
    for (const result of results) result.consume();
  });

  test("keeps q and k unconsumed when the call is refused", () => {
    const norm = consuming.norm(values(D, 3), [D], 1e-6);
    const [q, k] = [Hq, Hkv].map((heads) => consuming.make(values(3 * heads * D, heads), [3, heads * D]));
    expect(() => applyQkNorm(q!, k!, norm, norm, 7)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }),
    );
    expect(q!.consume().shape()).toEqual([3, Hq * D]);
    expect(k!.consume().shape()).toEqual([3, Hkv * D]);
  });

  test("gets empty arrays back unconsumed", () => {
    const norm = consuming.norm(values(D, 3), [D], 1e-6);
    const [q, k] = [Hq, Hkv].map((heads) => consuming.make(values(0, 1), [0, heads * D]));
    expect(applyQkNorm(q!, k!, norm, norm, D)).toEqual([q, k]);
    expect(q!.consume().shape()).toEqual([0, Hq * D]);
  });
});

describe("an array that only functions reshape", () => {
  interface Bare {
    readonly shape: readonly number[];
    readonly values: readonly number[];
  }
  const bare = (shape: readonly number[]): Bare => ({
    shape,
    values: [
      ...values(
        shape.reduce((a, b) => a * b, 1),
        7,
      ),
    ],
  });
  const seen: (readonly number[])[] = [];
  const norm = {
    forward(x: Bare): Bare {
      seen.push(x.shape);
      return { shape: x.shape, values: x.values.map((value) => 2 * value) };
    },
  };

  test("is given to the norms as it is, with heads as an axis of its own", () => {
    seen.length = 0;
    const [q, k] = [bare([3, Hq, D]), bare([3, Hkv, D])];
    expect(applyQkNorm(q, k, norm, norm, D)).toEqual([norm.forward(q), norm.forward(k)]);
    expect(seen.slice(0, 2)).toEqual([
      [3, Hq, D],
      [3, Hkv, D],
    ]);
  });

  test.each([
    ["q", {}, "q [3, 32] has no reshape method, and its norm needs it as [3, 4, 8]"],
    ["k alone", { reshape: bare }, "k [3, 16] has no reshape method, and its norm needs it as [3, 2, 8]"],
  ])("is refused before a norm has run, when heads share an axis: %s", (_, members, message) => {
    seen.length = 0;
    const [q, k] = [{ ...bare([3, Hq * D]), ...members }, bare([3, Hkv * D])];
    expect(() => applyQkNorm<Bare>(q, k, norm, norm, D)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT", message: expect.stringContaining(message) }),
    );
    expect(seen).toEqual([]);
  });

  test("that a norm made of another kind of tensor is the norm's fault", () => {
    const stripping = { forward: (x: FlatTensor) => ({ shape: x.shape }) as unknown as FlatTensor };
    const [q, k] = [plain.make(values(96, 1), [3, Hq * D]), plain.make(values(48, 2), [3, Hkv * D])];
    expect(() => applyQkNorm(q, k, stripping, stripping, D)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_NORM" }),
    );
  });
});
