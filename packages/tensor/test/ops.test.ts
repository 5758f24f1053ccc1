import type { FloatDtype, NormSpec, QkNormErrorCode } from "@qknorm/core";
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
  type RopeTable,
  rope,
  siluMul,
  Tensor,
  useKernels,
} from "../src/index.ts";
import { Distance } from "./distance.ts";
import { detach, failure } from "./errors.ts";
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
describe("bad arguments are typed errors, and nothing is written", () => {
  let former: KernelChoice = "auto";
  beforeEach(() => {
    former = useKernels("typescript");
  });
  afterEach(() => {
    useKernels(former);
  });

  const f = (...shape: number[]): Tensor => random(shape, "f32");
  const i = (...values: number[]): Tensor => Tensor.from(values, undefined, "i32");
  const at = (...values: number[]): Indices => Indices.from(values);
  const gone = (): Tensor => {
    const x = f(4, 4);
    detach(x.data);
    return x;
  };
  const spec: NormSpec<Tensor> = {
    kind: "rms",
    axis: "head",
    weight: null,
    eps: 1e-6,
    weightOffset: 0,
    rounding: "once",
  };
  const table: RopeTable<Tensor> = { cos: f(8, 2), sin: f(8, 2) };
  const span = { past: 1, scale: 1, rounding: "once" } as const;
  const none = null as never;
  const mystery = "half" as never;

  test.each<[string, QkNormErrorCode, () => unknown]>([
    ["linear: no tensor", "ERR_QKNORM_ARGUMENT", () => linear(none, f(3, 4))],
    ["linear: a proxy of a tensor", "ERR_QKNORM_ARGUMENT", () => linear(new Proxy(f(2, 4), {}), f(3, 4))],
    [
      "linear: a bias that is no tensor",
      "ERR_QKNORM_ARGUMENT",
      () => linear(f(2, 4), f(3, 4), [1, 2, 3] as never),
    ],
    ["linear: integers", "ERR_QKNORM_DTYPE", () => linear(i(1, 2), f(3, 2))],
    ["linear: integer weights", "ERR_QKNORM_DTYPE", () => linear(f(2, 2), i(1, 2, 3, 4).view([2, 2]))],
    ["linear: another K", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(4, 3))],
    ["linear: a scalar", "ERR_QKNORM_SHAPE", () => linear(f(), f(3, 1))],
    ["linear: weights of three axes", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(3, 4, 1))],
    ["linear: a bias of another length", "ERR_QKNORM_SHAPE", () => linear(f(2, 4), f(3, 4), f(4))],
    ["linear: detached x", "ERR_QKNORM_LAYOUT", () => linear(gone(), f(3, 4))],
    ["linear: detached weights", "ERR_QKNORM_LAYOUT", () => linear(f(2, 4), gone())],
    ["normalize: no spec", "ERR_QKNORM_NORM", () => normalize(f(2, 4), none)],
    ["normalize: a scalar", "ERR_QKNORM_SHAPE", () => normalize(f(), spec)],
    [
      "normalize: a weight of another length",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, weight: f(3) }),
    ],
    [
      "normalize: weights for other heads",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, weight: f(3, 4) }),
    ],
    [
      "normalize: per-head weights of a row norm",
      "ERR_QKNORM_SHAPE",
      () => normalize(f(2, 4), { ...spec, axis: "row", weight: f(2, 4) }),
    ],
    [
      "normalize: a weight that is no tensor",
      "ERR_QKNORM_ARGUMENT",
      () => normalize(f(2, 4), { ...spec, weight: [1] as never }),
    ],
    ["normalize: detached x", "ERR_QKNORM_LAYOUT", () => normalize(gone(), spec)],
    ["siluMul: an odd width", "ERR_QKNORM_SHAPE", () => siluMul(f(2, 3), "once")],
    ["siluMul: a scalar", "ERR_QKNORM_SHAPE", () => siluMul(f(), "once")],
    ["siluMul: a rounding that is none", "ERR_QKNORM_ARGUMENT", () => siluMul(f(2, 4), mystery)],
    ["add: unequal shapes", "ERR_QKNORM_SHAPE", () => add(f(2, 4), f(4, 2))],
    ["add: unequal dtypes", "ERR_QKNORM_DTYPE", () => add(f(4), convert(f(4), "bf16"))],
    ["convert: to integers", "ERR_QKNORM_DTYPE", () => convert(f(4), "i32" as never)],
    ["convert: to a dtype that is none", "ERR_QKNORM_DTYPE", () => convert(f(4), mystery)],
    ["gatherRows: into integers", "ERR_QKNORM_DTYPE", () => gatherRows(f(4, 2), at(0), "i32" as never)],
    ["gatherRows: a tensor as ids", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), f(2) as never, "f32")],
    ["gatherRows: an id behind the table", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), at(0, 4), "f32")],
    ["gatherRows: a negative id", "ERR_QKNORM_ARGUMENT", () => gatherRows(f(4, 2), at(-1), "f32")],
    ["gatherRows: a table of one axis", "ERR_QKNORM_SHAPE", () => gatherRows(f(4), at(0), "f32")],
    [
      "attention: unequal dtypes",
      "ERR_QKNORM_DTYPE",
      () => attention(f(1, 2, 4), convert(f(2, 1, 4), "f16"), f(2, 1, 4), span),
    ],
    ["attention: two axes", "ERR_QKNORM_SHAPE", () => attention(f(1, 8), f(2, 8), f(2, 8), span)],
    [
      "attention: k and v of two shapes",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 2, 4), f(2, 1, 4), f(3, 1, 4), span),
    ],
    [
      "attention: heads that do not divide",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 3, 4), f(2, 2, 4), f(2, 2, 4), span),
    ],
    ["attention: no KV heads", "ERR_QKNORM_SHAPE", () => attention(f(1, 3, 4), f(2, 0, 4), f(2, 0, 4), span)],
    ["attention: another D", "ERR_QKNORM_SHAPE", () => attention(f(1, 2, 4), f(2, 2, 8), f(2, 2, 8), span)],
    [
      "attention: fewer keys than past + T",
      "ERR_QKNORM_SHAPE",
      () => attention(f(2, 2, 4), f(2, 2, 4), f(2, 2, 4), span),
    ],
    [
      "attention: a last axis with gaps",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 4, 2).transpose(1, 2), f(2, 2, 4), f(2, 2, 4), span),
    ],
    [
      "attention: a negative past",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, past: -1 }),
    ],
    [
      "attention: a fractional past",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, past: 0.5 }),
    ],
    [
      "attention: a scale that is NaN",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, scale: Number.NaN }),
    ],
    [
      "attention: a rounding that is none",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, rounding: mystery }),
    ],
    [
      "attention: a window that is no integer",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, window: 1.5 }),
    ],
    [
      "attention: a chunk without a mask",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, mask: "none", chunk: 4 }),
    ],
    [
      "attention: a negative soft cap",
      "ERR_QKNORM_ARGUMENT",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, softCap: -1 }),
    ],
    [
      "attention: sinks for other heads",
      "ERR_QKNORM_SHAPE",
      () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), { ...span, sinks: f(3) }),
    ],
    ["attention: no span", "ERR_QKNORM_ARGUMENT", () => attention(f(1, 2, 4), f(2, 2, 4), f(2, 2, 4), none)],
  ])("%s", (_, code, call) => {
    failure(code, call);
  });

  test.each<[string, QkNormErrorCode, (x: Tensor) => unknown]>([
    ["no table", "ERR_QKNORM_ARGUMENT", (x) => rope(x, none, at(0, 1), "hf")],
    ["no positions", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, none, "hf")],
    ["a rounding that is none", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, 1), mystery)],
    ["a position behind the table", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, 8), "hf")],
    ["a negative position", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, at(0, -1), "hf")],
    ["a tensor as positions", "ERR_QKNORM_ARGUMENT", (x) => rope(x, table, f(2) as never, "hf")],
    [
      "a bf16 table",
      "ERR_QKNORM_DTYPE",
      (x) => rope(x, { ...table, cos: convert(table.cos, "bf16") }, at(0, 1), "hf"),
    ],
    ["another number of positions", "ERR_QKNORM_SHAPE", (x) => rope(x, table, at(0), "hf")],
    ["sin of another shape", "ERR_QKNORM_SHAPE", (x) => rope(x, { ...table, sin: f(8, 1) }, at(0, 1), "hf")],
    ["sin of three axes", "ERR_QKNORM_SHAPE", (x) => rope(x, { ...table, sin: f(8, 2, 2) }, at(0, 1), "hf")],
    [
      "a table with gaps",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x, { ...table, cos: f(8, 3).slice(1, 0, 2) }, at(0, 1), "hf"),
    ],
    [
      "a table wider than D",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x, { cos: f(8, 3), sin: f(8, 3) }, at(0, 1), "hf"),
    ],
    [
      "a layout that is none",
      "ERR_QKNORM_ARGUMENT",
      (x) => rope(x, { ...table, layout: mystery }, at(0, 1), "hf"),
    ],
    ["two axes", "ERR_QKNORM_SHAPE", (x) => rope(x.view([2, 12]), table, at(0, 1), "hf")],
    [
      "a last axis with gaps",
      "ERR_QKNORM_SHAPE",
      (x) => rope(x.view([2, 4, 3]).transpose(1, 2), table, at(0, 1), "hf"),
    ],
    [
      "heads that lie on one another",
      "ERR_QKNORM_OVERLAP",
      (x) => rope(new Tensor(x.data, "f32", [2, 3, 4], { strides: [4, 4, 1] }), table, at(0, 1), "hf"),
    ],
    [
      "a table within x",
      "ERR_QKNORM_OVERLAP",
      (x) => rope(x, { ...table, cos: x.view([12, 2]).slice(0, 0, 8) }, at(0, 1), "hf"),
    ],
  ])("rope: %s", (_, code, call) => {
    const x = f(2, 3, 4);
    const before = x.clone();
    failure(code, () => call(x));
    expect(x).toEqual(before);
  });

  test("useKernels takes only names of kernels", () => {
    for (const choice of ["cuda", null, Symbol("native"), Object.create(null)]) {
      failure("ERR_QKNORM_ARGUMENT", () => useKernels(choice as KernelChoice));
    }
  });
});
