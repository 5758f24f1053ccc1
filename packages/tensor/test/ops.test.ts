import type { FloatDtype, NormSpec } from "@qknorm/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import {
  add,
  attention,
  convert,
  gatherRows,
  Indices,
  type KernelChoice,
  linear,
  normalize,
  rope,
  siluMul,
  Tensor,
  useKernels,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { between, gapped, naiveAttention, naiveLinear, naiveRope, naiveSiluMul } from "./naive-ops.ts";
import { normal } from "./random-values.ts";

const choices: KernelChoice[] = ["typescript", "native"];
const dtypes: FloatDtype[] = ["f32", "bf16", "f16"];
const { reason } = loadNativeKernels();
const relative = 1e-5;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const random = (shape: readonly number[], dtype: FloatDtype, seed = 1): Tensor =>
  Tensor.from(normal(seed, sizeOf(shape)), shape, dtype);

// The same values in every way that a view can lie: dense, rows apart, and with the last axis strided.
const lays: Record<string, (shape: readonly number[], dtype: FloatDtype, seed?: number) => Tensor> = {
  dense: random,
  "rows with gaps": (shape, dtype, seed = 1) => gapped(normal(seed, sizeOf(shape)), shape, dtype),
  "a transposed matrix": (shape, dtype, seed = 1) =>
    random(shape, dtype, seed).transpose(-1, -2).clone().transpose(-1, -2),
};

function near(out: Tensor, exact: ArrayLike<number>, magnitude?: number, bound = relative): void {
  const magnitudes = magnitude === undefined ? undefined : new Array(exact.length).fill(magnitude);
  new Distance().add(out, exact, { relative: bound, magnitudes });
}

describe.each(choices)("with %s kernels", (choice) => {
  describe.skipIf(choice === "native" && reason !== null)(
    reason === null ? "loaded" : `(native: ${reason})`,
    () => {
      let former: KernelChoice = "auto";
      beforeEach(() => {
        former = useKernels(choice);
      });
      afterEach(() => {
        useKernels(former);
      });

      describe.each(Object.keys(lays))("of %s", (name) => {
        const lay = lays[name]!;
        const dense = name !== "a transposed matrix";

        test.each(dtypes)(
          "linear is the matrix product in %s, with weights of any dtype and any leading axes",
          (dtype) => {
            for (const weightDtype of dtypes) {
              const [x, w] = [lay([2, 3, 20], dtype), lay([7, 20], weightDtype, 2)];
              const bias = random([14], weightDtype, 3).view([7, 2]).slice(1, 0, 1).view([7]);
              for (const b of [null, bias]) {
                const out = linear(x, w, b);
                expect([out.shape, out.dtype, out.contiguous]).toEqual([[2, 3, 7], dtype, true]);
                near(out, naiveLinear(x.toNumbers(), w.toNumbers(), b?.toNumbers() ?? null, 6, 7, 20), 20);
              }
            }
            expect(linear(lay([1, 20], dtype).view([20]), lay([7, 20], dtype)).shape).toEqual([7]);
          },
        );

        test.each(dtypes)("normalize leaves its input and gives the normalised rows in %s", (dtype) => {
          const spec: NormSpec<Tensor> = {
            kind: "rms",
            axis: "head",
            weight: random([16], "f32").view([8, 2]).slice(1, 0, 1).view([8]),
            eps: 1e-6,
            weightOffset: 1,
            rounding: "once",
          };
          const x = lay([3, 8], dtype);
          const values = [...x.toNumbers()];
          const weight = spec.weight!.toNumbers();
          const exact = values.map((value, i) => {
            const row = values.slice(i - (i % 8), i - (i % 8) + 8);
            return (
              (value / Math.sqrt(row.reduce((sum, v) => sum + v * v, 0) / 8 + 1e-6)) * (1 + weight[i % 8]!)
            );
          });
          near(normalize(x, spec), exact);
          expect([...x.toNumbers()]).toEqual(values);
        });

        test.each(dtypes)("siluMul, add, convert and gatherRows give %s rounded once", (dtype) => {
          const x = lay([3, 10], dtype);
          for (const rounding of ["once", "hf"] as const) {
            near(siluMul(x, rounding), naiveSiluMul(x.toNumbers(), 3, 5, between(dtype, rounding)));
          }
          const y = lay([3, 10], dtype, 2);
          const sums = x.toNumbers().map((value, i) => value + y.toNumbers()[i]!);
          expect(add(x, y)).toEqual(Tensor.from(sums, [3, 10], dtype));
          for (const to of dtypes) {
            const converted = convert(x, to);
            if (to === dtype) expect(converted).toBe(x);
            else expect(converted).toEqual(Tensor.from(x.toNumbers(), [3, 10], to));
            const ids = Indices.from([2, 0, 2]);
            const rows = [2, 0, 2].flatMap((id) => [...x.toNumbers().subarray(id * 10, id * 10 + 10)]);
            expect(gatherRows(x, ids, to)).toEqual(Tensor.from(rows, [3, 10], to));
          }
        });

        if (!dense) return;
        test.each(dtypes)("rope and attention are right in %s, in both roundings", (dtype) => {
          for (const rounding of ["once", "hf"] as const) {
            const x = lay([3, 2, 10], dtype);
            const angles = normal(4, 6 * 4, 3);
            const table = {
              cos: Tensor.from(angles.map(Math.cos), [6, 4]),
              sin: Tensor.from(angles.map(Math.sin), [6, 4]),
            };
            const positions = Indices.from([5, 0, 2]);
            const look = (t: Tensor) => (token: number, i: number) => t.data[[5, 0, 2][token]! * 4 + i]!;
            const exact = naiveRope(
              x.toNumbers(),
              [3, 2, 10],
              look(table.cos),
              look(table.sin),
              4,
              between(dtype, rounding),
            );
            rope(x, table, positions, rounding);
            near(x, exact);

            const [q, k, v] = [lay([3, 4, 10], dtype), lay([6, 2, 10], dtype, 2), lay([6, 2, 10], dtype, 3)];
            const span = { past: 2, scale: 0.3, rounding };
            const sizes = { tokens: 3, heads: 4, kvHeads: 2, dim: 10 };
            const mixed = naiveAttention(
              q.toNumbers(),
              k.toNumbers(),
              v.toNumbers(),
              sizes,
              span,
              between(dtype, rounding),
            );
            const slack =
              rounding === "once" || dtype === "f32" ? relative : dtype === "bf16" ? 2 ** -8 : 2 ** -11;
            near(attention(q, k, v, span), mixed, 3, slack);
          }
        });
      });

      test("a product over no inputs is the bias, or zero", () => {
        const [x, w] = [Tensor.zeros([2, 0]), Tensor.zeros([3, 0])];
        expect([...linear(x, w).toNumbers()]).toEqual([0, 0, 0, 0, 0, 0]);
        expect([...linear(x, w, Tensor.from([1, 2, 3])).toNumbers()]).toEqual([1, 2, 3, 1, 2, 3]);
      });

      test("empty inputs give empty results", () => {
        const spec: NormSpec<Tensor> = {
          kind: "rms",
          axis: "head",
          weight: null,
          eps: 1e-6,
          weightOffset: 0,
          rounding: "once",
        };
        const none = Indices.from([]);
        const table = { cos: Tensor.zeros([2, 2]), sin: Tensor.zeros([2, 2]) };
        expect(linear(Tensor.zeros([0, 4]), Tensor.zeros([3, 4])).shape).toEqual([0, 3]);
        expect(linear(Tensor.zeros([2, 4]), Tensor.zeros([0, 4])).shape).toEqual([2, 0]);
        expect(normalize(Tensor.zeros([3, 0]), spec).shape).toEqual([3, 0]);
        expect(normalize(Tensor.zeros([0, 3, 4]), { ...spec, weight: Tensor.zeros([3, 4]) }).shape).toEqual([
          0, 3, 4,
        ]);
        expect(siluMul(Tensor.zeros([0, 4]), "hf").shape).toEqual([0, 2]);
        expect(siluMul(Tensor.zeros([3, 0]), "hf").shape).toEqual([3, 0]);
        expect(add(Tensor.zeros([0, 2]), Tensor.zeros([0, 2])).shape).toEqual([0, 2]);
        expect(convert(Tensor.zeros([0, 2]), "bf16").shape).toEqual([0, 2]);
        expect(gatherRows(Tensor.zeros([0, 4]), none, "f32").shape).toEqual([0, 4]);
        rope(Tensor.zeros([0, 2, 4]), table, none, "hf");
        rope(Tensor.zeros([1, 0, 4]), table, Indices.from([0]), "hf");
        const kv = Tensor.zeros([4, 1, 8]);
        const span = { past: 4, scale: 1, rounding: "once" } as const;
        expect(attention(Tensor.zeros([0, 2, 8]), kv, kv, span).shape).toEqual([0, 2, 8]);
      });

      test("normalize takes one weight per head, flat or not, and one bias per head without a weight", () => {
        const x = random([3, 2, 8], "f32");
        const spec: NormSpec<Tensor> = {
          kind: "layer",
          axis: "head",
          weight: random([2, 8], "f32", 2),
          eps: 1e-6,
          weightOffset: 0,
          rounding: "once",
        };
        const split = normalize(x, spec);
        expect(normalize(x, { ...spec, weight: spec.weight!.view([16]) })).toEqual(split);
        const heads = [0, 1].map((h) =>
          normalize(x.slice(1, h, h + 1), { ...spec, weight: spec.weight!.slice(0, h, h + 1).view([8]) }),
        );
        for (const h of [0, 1]) expect(split.slice(1, h, h + 1).clone()).toEqual(heads[h]);
        const biased = normalize(x, { ...spec, weight: null, bias: spec.weight });
        const plain = normalize(x, { ...spec, weight: null });
        near(
          biased,
          plain.toNumbers().map((y, i) => y + spec.weight!.toNumbers()[i % 16]!),
          3,
        );
      });
    },
  );
});

// On the kernels that check nothing themselves: the ops must.
