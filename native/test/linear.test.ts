import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { blasInfo, type CpuIsa, type LinearCall, linear, setThreadCount } from "../src/index.ts";
import { anyDtype, anyIsa, codeOf, expectRounded, Guarded, gauss } from "./ops-case.ts";
import { dtypes, isas, missing } from "./qk-norm-case.ts";

interface Case {
  readonly call: LinearCall;
  readonly x: Guarded;
  readonly weight: Guarded;
  readonly bias: Guarded | null;
  readonly out: Guarded;
}

interface Choice {
  seed: number;
  rows: number;
  inFeatures: number;
  outFeatures: number;
  xDtype: "f32" | "bf16" | "f16";
  weightDtype: "f32" | "bf16" | "f16";
  biasDtype: "f32" | "bf16" | "f16" | null;
  wideOut: boolean;
  isa: CpuIsa;
  engine: "auto" | "own" | "blas";
}

const anyChoice: fc.Arbitrary<Choice> = fc.record({
  seed: fc.nat(),
  rows: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 6, max: 40 }), fc.constantFrom(97, 200)),
  inFeatures: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(128, 1024, 1025, 2100)),
  outFeatures: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(63, 64, 65, 130)),
  xDtype: anyDtype,
  weightDtype: anyDtype,
  biasDtype: fc.option(anyDtype),
  wideOut: fc.boolean(),
  isa: anyIsa,
  engine: fc.constantFrom("auto", "own", "blas"),
});

function build(choice: Choice): Case {
  const { rows, inFeatures, outFeatures } = choice;
  const value = gauss(choice.seed);
  const x = new Guarded(choice.xDtype, rows, 1, inFeatures, value).remember();
  const weight = new Guarded(choice.weightDtype, outFeatures, 1, inFeatures, value).remember();
  const bias = choice.biasDtype && new Guarded(choice.biasDtype, 1, 1, outFeatures, value).remember();
  const out = new Guarded(choice.wideOut ? "f32" : choice.xDtype, rows, 1, outFeatures, value).remember();
  const { isa, engine } = choice;
  return { call: { rows, inFeatures, outFeatures, x, weight, bias, out, isa, engine }, x, weight, bias, out };
}

function expectRight({ call, x, weight, bias, out }: Case): void {
  // The longest chain of f32 additions is a fourth of the row, on the narrowest vectors.
  const epsilon = 2 ** -24 * (Math.min(call.inFeatures, 1024) / 4 + call.inFeatures / 1024 + 12);
  const [xs, weights] = [x.values(), weight.values()];
  for (let r = 0; r < call.rows; r++) {
    for (let c = 0; c < call.outFeatures; c++) {
      let sum = bias === null ? 0 : bias.get(0, 0, c);
      let size = Math.abs(sum);
      const [row, column] = [x.at(r, 0, 0), weight.at(c, 0, 0)];
      for (let i = 0; i < call.inFeatures; i++) {
        const product = xs[row + i]! * weights[column + i]!;
        sum += product;
        size += Math.abs(product);
      }
      expectRounded(out.dtype, out.get(r, 0, c), sum, size * epsilon, `out[${r}, ${c}]`);
    }
  }
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`linear${missing}`, () => {
  it("agrees with an f64 product for any shape, dtype, engine and instruction set, and writes only out", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build(choice);
        linear(made.call);
        expectRight(made);
        made.out.expectUntouched(choice.outFeatures);
        for (const input of [made.x, made.weight, made.bias]) input?.expectUntouched();
      }),
      { numRuns: 100 },
    );
  });

  it.each(isas)("takes x and weights of each two dtypes (%s)", (isa) => {
    const sizes = { seed: 3, inFeatures: 45, outFeatures: 9, biasDtype: null, wideOut: true } as const;
    for (const rows of [1, 3, 20]) {
      for (const [xDtype, weightDtype] of dtypes.flatMap((a) => dtypes.map((b) => [a, b] as const))) {
        const made = build({ ...sizes, rows, xDtype, weightDtype, isa, engine: "own" });
        linear(made.call);
        expectRight(made);
      }
    }
  });

  it.each(isas)(
    "multiplies pairs of bf16 as they are where that is an instruction, which takes numbers below 2^-126 for zero (%s)",
    (isa) => {
      for (const [rows, inFeatures] of [
        [1, 40],
        [1, 300],
        [20, 40],
      ] as const) {
        const made = build({
          ...{
            seed: 5,
            rows,
            inFeatures,
            outFeatures: 9,
            xDtype: "bf16",
            weightDtype: "bf16",
            biasDtype: null,
          },
          ...{ wideOut: true, isa, engine: "own" },
        });
        for (let i = 0; i < inFeatures; i++) {
          for (let r = 0; r < rows; r++) made.x.set(r, 0, i, i === 3 ? 2 ** -130 : 0);
          for (let c = 0; c < 9; c++) made.weight.set(c, 0, i, 2 ** 20);
        }
        linear(made.call);
        expect(made.out.get(rows - 1, 0, 8)).toBe(isa === "avx512bf16" ? 0 : 2 ** -110);
      }
    },
  );

  it("gives a row the same bits alone and in any batch, with our own kernels", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build({ ...choice, engine: "own" });
        linear(made.call);
        const together = made.out.allBits();
        for (let r = 0; r < choice.rows; r++) {
          const x = {
            ...made.call.x,
            data: made.x.data,
            dtype: choice.xDtype,
            offset: made.x.at(r, 0, 0),
            rowStride: 0,
          };
          const out = {
            data: made.out.data,
            dtype: made.out.dtype,
            offset: made.out.at(r, 0, 0),
            rowStride: 0,
          };
          linear({ ...made.call, rows: 1, x, out });
        }
        expect(made.out.allBits()).toEqual(together);
      }),
      { numRuns: 60 },
    );
  });

  it("gives the same bits for any number of threads, with every engine", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build(choice);
        const results = [1, 2, 5].map((threads) => {
          setThreadCount(threads);
          linear(made.call);
          return made.out.allBits();
        });
        expect(results[1]).toEqual(results[0]);
        expect(results[2]).toEqual(results[0]);
      }),
      { numRuns: 60 },
    );
  });

  it.each(isas)("keeps a NaN in its row of x or its column of weight (%s)", (isa) => {
    for (const dtype of dtypes) {
      for (const rows of [1, 4, 20]) {
        const made = build({
          ...{
            seed: 1,
            rows,
            inFeatures: 37,
            outFeatures: 21,
            xDtype: dtype,
            weightDtype: dtype,
            biasDtype: null,
          },
          ...{ wideOut: false, isa, engine: "own" },
        });
        // The end of a row, and what stands behind the end of the one before.
        for (const i of [0, 36]) made.x.set(rows - 1, 0, i, Number.NaN);
        made.weight.set(20, 0, 0, Number.NaN);
        linear(made.call);
        for (let r = 0; r < rows; r++) {
          for (let c = 0; c < 21; c++) {
            expect(Number.isNaN(made.out.get(r, 0, c)), `${dtype} ${r} ${c}`).toBe(
              r === rows - 1 || c === 20,
            );
          }
        }
      }
    }
  });

  it("does nothing for no rows or no columns, and gives the bias where rows are empty", () => {
    const base: Choice = {
      ...{ seed: 2, rows: 3, inFeatures: 0, outFeatures: 5, xDtype: "bf16", weightDtype: "bf16" },
      ...{ biasDtype: "bf16", wideOut: false, isa: "scalar", engine: "blas" },
    };
    const made = build(base);
    linear(made.call);
    for (let r = 0; r < 3; r++) expect(made.out.bits(r)).toEqual(made.bias!.bits(0));
    const untouched = build({ ...base, inFeatures: 4 });
    linear({ ...untouched.call, rows: 0 });
    linear({ ...untouched.call, outFeatures: 0 });
    untouched.out.expectUntouched();
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const made = build({
      ...{
        seed: 3,
        rows: 4,
        inFeatures: 8,
        outFeatures: 6,
        xDtype: "bf16",
        weightDtype: "bf16",
        biasDtype: "bf16",
      },
      ...{ wideOut: false, isa: "scalar", engine: "own" },
    });
    const { call } = made;
    const code = (change: object) => codeOf(() => linear({ ...call, ...change } as LinearCall));
    const { data, dtype, offset, rowStride } = made.x;
    const view = { data, dtype, offset, rowStride };
    expect(code({ rows: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rows: 1.5 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rows: Number.NaN })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rows: "4" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rows: 2 ** 53 - 1 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ inFeatures: 9e15 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ engine: "mkl" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ isa: "sse9" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ x: null })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ x: { ...view, dtype: "f64" } })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ x: { ...view, dtype: "f32" } })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ x: { ...view, data: [1, 2] } })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ x: { ...view, rowStride: 7 } })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ x: { ...view, offset: data.length - 8 } })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ out: { data: new Uint16Array(99), dtype: "f16", offset: 0, rowStride: 6 } })).toBe(
      "ERR_QKNORM_DTYPE",
    );
    expect(code({ out: { ...view, rowStride: made.x.rowStride, offset: offset + 2 } })).toBe(
      "ERR_QKNORM_OVERLAP",
    );
    const { weight } = made;
    const over = { data: weight.data, dtype, offset: weight.offset, rowStride: weight.rowStride };
    expect(code({ out: over })).toBe("ERR_QKNORM_OVERLAP");
    expect(code({ bias: { data: made.out.data, dtype, offset: made.out.offset } })).toBe(
      "ERR_QKNORM_OVERLAP",
    );
    const detached = new Uint16Array(200);
    structuredClone(detached.buffer, { transfer: [detached.buffer] });
    expect(code({ x: { ...view, data: detached } })).toBe("ERR_QKNORM_LAYOUT");
    made.out.expectUntouched();
  });

  it("says which OpenBLAS it found, or every path it tried", () => {
    const { library, tried } = blasInfo();
    expect(library !== null || tried.length > 0).toBe(true);
  });
});
