// Products with matrices on any device that keeps the bits of a row whatever is beside it, against the CPU's.
import type { FloatDtype, NormKind, NormRounding } from "@qknorm/core";
import { expect, test } from "vitest";
import {
  add,
  type Device,
  DeviceGraph,
  linear,
  normalize,
  project,
  settle,
  siluMul,
  Tensor,
  tidy,
} from "../src/index.ts";
import { filled, rms, type Spec, specOn } from "./qk-norm-cases.ts";

const dtypes = ["f32", "bf16", "f16"] as const;

/** x `[M, K]`, a weight `[N, K]` and a bias `[N]` on the CPU. */
interface Case {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias: Tensor | null;
}

const sized = (rows: number, inputs: number, outputs: number, dtype: FloatDtype, weight = dtype): Case => ({
  x: filled(rows + inputs, [rows, inputs], dtype),
  weight: filled(outputs, [outputs, inputs], weight, 0.1),
  bias: null,
});

/** Half a step of a dtype at 1: what one rounding may move a value by, relative to it. */
const halfStep: Readonly<Record<FloatDtype, number>> = { f32: 2 ** -24, bf16: 2 ** -8, f16: 2 ** -11 };

/**
 * Holds a product to the exact one: additions of K terms in f32, in any order, are off by at most K half steps of the sum
 * of the terms' sizes; then comes one rounding, of numbers too small for f16's exponent to a fixed step.
 */
function expectProduct(result: Tensor, { x, weight, bias }: Case): void {
  const wide = (one: Tensor, f: (value: number) => number) =>
    Tensor.from([...one.toNumbers()].map(f), one.shape, "f32");
  const same = (value: number) => value;
  const exact = linear(wide(x, same), wide(weight, same), bias && wide(bias, same)).toNumbers();
  const sizes = linear(wide(x, Math.abs), wide(weight, Math.abs), bias && wide(bias, Math.abs)).toNumbers();
  const inputs = x.dim(1);
  const got = result.toNumbers();
  const half = halfStep[result.dtype as FloatDtype];
  const far = exact.findIndex((value, i) => {
    const bound =
      2 * (inputs + 2) * 2 ** -24 * (sizes[i] as number) + half * Math.abs(value) * (1 + 2 ** -6) + 2 ** -25;
    return !(Math.abs((got[i] as number) - value) <= bound);
  });
  expect([far, got[far], exact[far]]).toEqual([-1, undefined, undefined]);
}

const bits = (x: Tensor) => x.to("cpu").clone().data;

export interface LinearSizes {
  /** Rows, inputs and outputs. */
  readonly products: readonly (readonly [number, number, number])[];
  /** The same behind what is in front. */
  readonly projections: readonly (readonly [FloatDtype, NormKind, number, number, number])[];
}

/** Declares the tests. */
export function linearSuite(device: Device, { products, projections }: LinearSizes): void {
  test.each(dtypes)("linear of %s is the CPU's within the rounding of its sums", (dtype) => {
    for (const [rows, inputs, outputs] of products) {
      const made = sized(rows, inputs, outputs, dtype);
      for (const bias of [null, filled(7, [outputs], dtype)]) {
        tidy(() => {
          const result = linear(made.x.to(device), made.weight.to(device), bias?.to(device) ?? null);
          expect([result.device, result.shape, result.dtype]).toEqual([device, [rows, outputs], dtype]);
          expectProduct(result, { ...made, bias });
        });
      }
    }
  });

  test("x, weight and bias of any dtypes are multiplied as they are", () => {
    for (const dtype of dtypes) {
      for (const weight of dtypes) {
        for (const rows of [1, 3, 19]) {
          const made = { ...sized(rows, 72, 20, dtype, weight), bias: filled(3, [20], weight) };
          tidy(() => {
            expectProduct(linear(made.x.to(device), made.weight.to(device), made.bias.to(device)), made);
          });
        }
      }
    }
  });

  test("x and weight may be slices of others, at any element", () => {
    for (const dtype of ["bf16", "f32"] as const) {
      for (const [from, inputs] of [
        [8, 64],
        [3, 61],
        [2, 62],
      ] as const) {
        for (const rows of [1, 2, 12]) {
          const wide = filled(1, [rows + 1, 80], dtype);
          const many = filled(2, [40, 80], dtype);
          tidy(() => {
            const cut = (one: Tensor, first: number, last: number) =>
              one.slice(0, first, last).slice(1, from, from + inputs);
            const result = linear(cut(wide.to(device), 1, rows + 1), cut(many.to(device), 5, 38));
            expectProduct(result, {
              x: cut(wide, 1, rows + 1).clone(),
              weight: cut(many, 5, 38).clone(),
              bias: null,
            });
          });
        }
      }
    }
  });

  test.each(["bf16", "f32"] as const)(
    "a row of %s has the same bits with 1 to 7 others beside it",
    (dtype) => {
      for (const [inputs, outputs] of [
        [1024, 80],
        [328, 1100],
      ] as const) {
        tidy(() => {
          const made = sized(8, inputs, outputs, dtype);
          const [x, weight] = [made.x.to(device), made.weight.to(device)];
          // One row of 16 bits goes another way than several.
          const least = dtype === "f32" ? 1 : 2;
          const first = bits(linear(x.slice(0, 0, least), weight).slice(0, 0, 1));
          const last = bits(linear(x.slice(0, 8 - least, 8), weight).slice(0, least - 1, least));
          for (const rows of [2, 3, 4, 5, 6, 7, 8]) {
            expect(bits(linear(x.slice(0, 0, rows), weight).slice(0, 0, 1)), `${rows} rows`).toEqual(first);
            const together = linear(x.slice(0, 8 - rows, 8), weight);
            expect(bits(together.slice(0, rows - 1, rows)), `${rows} rows`).toEqual(last);
          }
        });
      }
    },
  );

  test.each(projections)(
    "a projection has the bits of the ops that it stands for: %s, %s, %i x %i x %i",
    (...of) => {
      const [dtype, kind, rows, inputs, outputs] = of;
      for (const rounding of ["hf", "once"] as const) {
        const offset = rounding === "hf" ? 0 : 1;
        const weight = kind === "l2" ? null : filled(9, [inputs], rounding === "hf" ? dtype : "f32");
        const spec: Spec = { ...rms, kind, rounding, weightOffset: offset, weight };
        tidy(() => expectComposed(device, sized(rows, inputs, outputs, dtype), spec, rounding));
      }
    },
  );

  test("settled weights give the same bits, and may be written to again", () => {
    tidy(() => {
      const made = sized(1, 1024, 40, "bf16");
      const [x, weight] = [made.x.to(device), made.weight.to(device)];
      const before = bits(linear(x, weight));
      settle([weight]);
      expect(bits(linear(x, weight))).toEqual(before);
      const other = filled(99, [40, 1024], "bf16", 0.1);
      weight.copyFrom(other.to(device));
      expectProduct(linear(x, weight), { ...made, weight: other });
    });
  });
}

function expectComposed(device: Device, made: Case, spec: Spec, rounding: NormRounding): void {
  const [x, weight] = [made.x.to(device), made.weight.to(device)];
  const norm = specOn(device, spec);
  const outputs = weight.dim(0);
  const bias = filled(8, [outputs], "f32").to(device);
  const residual = filled(4, [x.dim(0), outputs], x.dtype as FloatDtype).to(device);
  const half = filled(5, [x.dim(0), outputs / 2], x.dtype as FloatDtype).to(device);
  const normed = normalize(x, norm);
  const product = linear(normed, weight, bias);
  const pairs: [string, Tensor, Tensor][] = [
    ["norm", project(x, weight, { norm }), linear(normed, weight)],
    ["norm, bias", project(x, weight, { norm, bias }), product],
    ["residual", project(x, weight, { residual }), add(residual, linear(x, weight))],
    ["swiglu", project(x, weight, { swiglu: rounding }), siluMul(linear(x, weight), rounding)],
    [
      "all",
      project(x, weight, { norm, bias, swiglu: rounding, residual: half }),
      add(half, siluMul(product, rounding)),
    ],
  ];
  for (const [what, fused, composed] of pairs) {
    expect(bits(fused), `${what} of ${x.dtype} ${x.shape}, ${spec.kind} ${spec.rounding}`).toEqual(
      bits(composed),
    );
  }
}

/** Declares the tests of captured products, for devices that record. */
export function linearGraphSuite(device: Device): void {
  test.each([1, 4, 40])(
    "products of %i rows in a graph give at each replay what they give at once",
    (rows) => {
      const made = sized(rows, 256, 64, "bf16");
      const [x, weight] = [made.x.to(device), made.weight.to(device)];
      const norm = specOn(device, { ...rms, weight: filled(9, [256], "bf16") });
      const work = () => project(x, weight, { norm, swiglu: "hf" });
      const expected = tidy(() => bits(work()));
      let result: Tensor | undefined;
      const graph = DeviceGraph.capture(device, () => {
        result = tidy(work);
      });
      for (let replay = 0; replay < 3; replay++) {
        graph.replay();
        expect(bits(result as Tensor)).toEqual(expected);
      }
      graph.dispose();
      for (const one of [x, weight, norm.weight, result]) one?.dispose();
    },
  );
}
