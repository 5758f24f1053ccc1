import { type FloatDtype, type NormSpec, referenceNorm } from "@qknorm/core";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { CpuKernels } from "../src/backends/cpu/kernels.ts";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import { typescriptKernels } from "../src/backends/cpu/typescript/kernels.ts";
import { Indices } from "../src/indices.ts";
import { Tensor } from "../src/tensor.ts";
import { Distance } from "./distance.ts";
import { between, gapped, naiveAttention, naiveLinear, naiveRope, naiveSiluMul } from "./naive-ops.ts";
import { dtypes, roundings, seeds } from "./random-tensors.ts";
import { normal } from "./random-values.ts";

const runs = { numRuns: 60 };
const dim = fc.integer({ min: 1, max: 6 });

/** Dense or gapped memory, as the kernels' contract allows. */
const make = (
  gap: boolean,
  values: readonly number[],
  shape: readonly number[],
  dtype: FloatDtype,
): Tensor => (gap ? gapped(values, shape, dtype) : Tensor.from(values, shape, dtype));

/** What else limits and bends attention; often nothing. */
const spans = fc.oneof(
  fc.constant({ mask: "causal" as const, window: 0, chunk: 0, softCap: 0 }),
  fc.record({
    mask: fc.constant("causal" as const),
    window: fc.constantFrom(0, 1, 3, 9),
    chunk: fc.constantFrom(0, 0, 4),
    softCap: fc.constantFrom(0, 0.5, 20),
  }),
  fc.record({
    mask: fc.constant("none" as const),
    window: fc.constant(0),
    chunk: fc.constant(0),
    softCap: fc.constantFrom(0, 2),
  }),
);
const sunk = (seed: number, heads: number, dtype: FloatDtype): Tensor | null =>
  seed % 4 === 0 ? Tensor.from(normal(seed + 9, heads), [heads], dtype) : null;

function conformance(ops: CpuKernels["ops"]): void {
  test("linear is the matrix product, bias added before the one rounding", () => {
    const distance = new Distance();
    fc.assert(
      fc.property(
        dtypes,
        dtypes,
        fc.option(dtypes),
        fc.boolean(),
        seeds,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 130 }),
        (dtype, weightDtype, biasDtype, gap, seed, m, n, k) => {
          const x = make(gap, normal(seed, m * k), [m, k], dtype);
          const w = make(gap, normal(seed + 1, n * k), [n, k], weightDtype);
          const bias = biasDtype && Tensor.from(normal(seed + 2, n), [n], biasDtype);
          const out = make(gap, normal(seed + 3, m * n), [m, n], dtype);
          ops.linear(x, w, bias, out);
          const args = [x.toNumbers(), w.toNumbers(), bias?.toNumbers() ?? null] as const;
          const absolute = args.map((values) => values?.map(Math.abs) ?? null);
          distance.add(out, naiveLinear(...args, m, n, k), {
            relative: 1e-5,
            magnitudes: naiveLinear(absolute[0]!, absolute[1]!, absolute[2]!, m, n, k),
          });
        },
      ),
      runs,
    );
    distance.check();
  });

  test("rope turns the first 2R values of each head and leaves the rest and the gaps as they are", () => {
    const distance = new Distance();
    fc.assert(
      fc.property(
        dtypes,
        roundings,
        fc.boolean(),
        seeds,
        dim,
        dim,
        fc.integer({ min: 0, max: 40 }),
        fc.integer({ min: 0, max: 3 }),
        (dtype, rounding, gap, seed, tokens, heads, half, rest) => {
          const shape = [tokens, heads, 2 * half + rest] as const;
          fc.pre(shape[2] > 0 && half > 0);
          const places = 7;
          const angles = normal(seed, places * half, 3);
          const cos = Tensor.from(angles.map(Math.cos), [places, half]);
          const sin = Tensor.from(angles.map(Math.sin), [places, half]);
          const positions = Indices.from(
            normal(seed + 1, tokens).map((v) => Math.floor(Math.abs(v * 100)) % places),
          );
          const x = make(gap, normal(seed + 2, shape[0] * shape[1] * shape[2]), shape, dtype);
          const before = x.data.slice();
          const values = x.toNumbers();
          const at = (table: Tensor) => (token: number, i: number) =>
            table.data[positions.values![token]! * half + i]!;
          const interleaved = seed % 3 === 0;
          const layout = interleaved ? "interleaved" : "halves";
          ops.rope(x, { cos, sin, layout }, positions, rounding);
          const exact = naiveRope(
            values,
            shape,
            at(cos),
            at(sin),
            half,
            between(dtype, rounding),
            interleaved,
          );
          distance.add(x, exact, { relative: 1e-5 });
          for (let i = 2 * half; i < shape[2]; i++) expect(x.toNumbers()[i]).toBe(values[i]);
          const after = x.clone();
          x.copyFrom(Tensor.from(values, shape, dtype));
          expect(x.data).toEqual(before);
          x.copyFrom(after);
        },
      ),
      runs,
    );
    distance.check();
  });

  test("attention is softmax over keys 0..past + t, for each group of query heads", () => {
    const distance = new Distance();
    fc.assert(
      fc.property(
        dtypes,
        roundings,
        fc.boolean(),
        seeds,
        dim,
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: 1, max: 70 }),
        fc.nat(20),
        fc.nat(2),
        spans,
        (dtype, rounding, gap, seed, tokens, kvHeads, group, width, past, spare, limits) => {
          const heads = kvHeads * group;
          const keys = past + tokens + spare;
          const q = make(gap, normal(seed, tokens * heads * width), [tokens, heads, width], dtype);
          const k = make(gap, normal(seed + 1, keys * kvHeads * width), [keys, kvHeads, width], dtype);
          const v = make(gap, normal(seed + 2, keys * kvHeads * width), [keys, kvHeads, width], dtype);
          const out = Tensor.zeros(q.shape, dtype);
          const span = {
            past,
            scale: width ** -0.5,
            rounding,
            ...limits,
            scales: null,
            sinks: sunk(seed, heads, dtype),
          };
          ops.attention(q, k, v, out, { ...span, past: Indices.from([past]) });
          const sizes = { tokens, heads, kvHeads, dim: width };
          const args = [q, k, v].map((x) => x.toNumbers()) as [Float64Array, Float64Array, Float64Array];
          const exact = naiveAttention(...args, sizes, span, between(dtype, rounding));
          const largest = Math.max(...args[2].map(Math.abs));
          // A probability that falls on the other side of an hf rounding moves the result by half a step of it.
          const slack = rounding === "hf" && dtype !== "f32" ? (dtype === "bf16" ? 2 ** -8 : 2 ** -11) : 1e-5;
          distance.add(out, exact, { relative: slack, magnitudes: exact.map(() => largest) });
        },
      ),
      runs,
    );
    distance.check();
  });

  test("siluMul is silu(gate) * up", () => {
    const distance = new Distance();
    fc.assert(
      fc.property(
        dtypes,
        roundings,
        fc.boolean(),
        seeds,
        dim,
        fc.integer({ min: 1, max: 70 }),
        (dtype, rounding, gap, seed, rows, width) => {
          const x = make(gap, normal(seed, rows * 2 * width, 4), [rows, 2 * width], dtype);
          const out = Tensor.zeros([rows, width], dtype);
          ops.siluMul(x, out, rounding);
          distance.add(out, naiveSiluMul(x.toNumbers(), rows, width, between(dtype, rounding)), {
            relative: 1e-5,
          });
        },
      ),
      runs,
    );
    distance.check();
  });

  test("add, convert and gatherRows round each value once, to the bit", () => {
    fc.assert(
      fc.property(
        dtypes,
        dtypes,
        fc.boolean(),
        seeds,
        fc.integer({ min: 1, max: 70 }),
        (dtype, to, gap, seed, n) => {
          const [a, b] = [seed, seed + 1].map((s) => Tensor.from(normal(s, n), [n], dtype)) as [
            Tensor,
            Tensor,
          ];
          const [av, bv] = [a.toNumbers(), b.toNumbers()];
          const sum = Tensor.zeros([n], dtype);
          ops.add(a, b, sum);
          expect(sum).toEqual(
            Tensor.from(
              av.map((value, i) => value + bv[i]!),
              [n],
              dtype,
            ),
          );
          const converted = Tensor.zeros([n], to);
          ops.convert(a, converted);
          expect(converted).toEqual(Tensor.from(av, [n], to));
          const table = make(gap, normal(seed, 5 * n), [5, n], dtype);
          const ids = [4, 0, 0, 3];
          const rows = Tensor.zeros([5, n], to);
          ops.gatherRows(table, Indices.from(ids), rows.slice(0, 0, 4));
          const values = table.toNumbers();
          const gathered = ids.flatMap((id) => [...values.subarray(id * n, (id + 1) * n)]);
          // And nothing behind them is written.
          expect(rows).toEqual(Tensor.from([...gathered, ...new Array(n).fill(0)], [5, n], to));
        },
      ),
      runs,
    );
  });

  test("normalize is the reference norm, of one or two sides, in place or not", () => {
    const distance = new Distance();
    const specs = fc.record({
      kind: fc.constantFrom("rms" as const, "layer" as const, "l2" as const),
      eps: fc.constantFrom(1e-6, 1e-5, 1e-2),
      weightOffset: fc.constantFrom(0 as const, 1 as const),
      rounding: roundings,
      affine: fc.constantFrom("none", "weight", "both"),
      perHead: fc.boolean(),
      dtype: dtypes,
    });
    fc.assert(
      fc.property(
        dtypes,
        fc.array(specs, { minLength: 1, maxLength: 2 }),
        fc.boolean(),
        fc.boolean(),
        seeds,
        dim,
        fc.integer({ min: 1, max: 20 }).map((n) => n * 8),
        (dtype, sideSpecs, gap, inPlace, seed, tokens, headDim) => {
          const sides = sideSpecs.map(({ affine, perHead, dtype: weightDtype, ...rest }, side) => {
            const heads = 1 + ((seed + side) % 4);
            const shape = perHead ? [heads, headDim] : [headDim];
            const size = perHead ? heads * headDim : headDim;
            const [weight, bias] = [1, 2].map((n) =>
              Tensor.from(normal(seed + 10 * n + side, size), shape, weightDtype),
            );
            const spec: NormSpec<Tensor> = {
              ...rest,
              axis: "head",
              weight: affine === "none" ? null : weight!,
              bias: affine === "both" ? bias! : null,
            };
            const x = make(
              gap,
              normal(seed + side, tokens * heads * headDim, 3),
              [tokens, heads, headDim],
              dtype,
            );
            const numbers = {
              ...spec,
              weight: spec.weight?.toNumbers() ?? null,
              bias: spec.bias?.toNumbers() ?? null,
            };
            const exact = referenceNorm({ x: x.toNumbers(), heads, headDim, dtype, spec: numbers });
            return { x, out: inPlace ? x : Tensor.zeros(x.shape, dtype), spec, exact };
          });
          for (const { x, out, spec } of sides) ops.normalize(x, out, spec);
          for (const { out, exact } of sides) distance.add(out, exact, { relative: 2e-6 });
        },
      ),
      { numRuns: 150 },
    );
    distance.check();
  });
}

describe("the TypeScript kernels", () => conformance(typescriptKernels.ops));

const { kernels: native, reason } = loadNativeKernels();
describe.skipIf(native === null)(`the native kernels${native === null ? ` (skipped: ${reason})` : ""}`, () =>
  conformance(native?.ops as CpuKernels["ops"]),
);
