import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  add,
  type CpuIsa,
  linear,
  mostProjectRows,
  type NativeArray,
  project,
  qkNorm,
  setThreadCount,
  siluMul,
} from "../src/index.ts";
import { anyDtype, anyIsa, anyRounding, codeOf, Guarded, gauss } from "./ops-case.ts";
import { missing } from "./qk-norm-case.ts";

const choices = fc.record({
  seed: fc.nat(),
  rows: fc.integer({ min: 1, max: mostProjectRows }),
  inFeatures: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(256, 300, 1030)),
  outputs: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(64, 65, 150)),
  dtype: anyDtype,
  weightDtype: anyDtype,
  biasDtype: fc.option(anyDtype),
  norm: fc.option(
    fc.record({
      kind: fc.constantFrom("rms" as const, "layer" as const, "l2" as const, "unit" as const),
      weightOffset: fc.constantFrom(0 as const, 1 as const),
      rounding: anyRounding,
      weightDtype: fc.option(anyDtype),
      biasDtype: fc.option(anyDtype),
    }),
  ),
  swiglu: fc.option(anyRounding),
  residual: fc.constantFrom("none", "apart", "in place"),
  threads: fc.constantFrom(1, 2, 5),
  isa: anyIsa,
});
type Choice = typeof choices extends fc.Arbitrary<infer T> ? T : never;

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`project${missing}`, () => {
  it("has the bits of the norm, the product, SwiGLU and the sum one after the other, and writes only out", () => {
    fc.assert(
      fc.property(choices, (choice) => {
        setThreadCount(choice.threads);
        const made = build(choice);
        const expected = oneByOne(made, choice);
        project(made.call);
        expect(made.out.allBits()).toEqual(expected);
        made.out.expectUntouched(choice.outputs);
        for (const input of made.inputs) input.expectUntouched();
      }),
      { numRuns: 200 },
    );
  });

  it("refuses more rows than it takes, gates without values, an eps below zero, and an out on its input", () => {
    const choice: Choice = {
      ...{ seed: 1, rows: 2, inFeatures: 8, outputs: 4, dtype: "f32", weightDtype: "f32", biasDtype: null },
      norm: { kind: "rms", weightOffset: 0, rounding: "hf", weightDtype: "f32", biasDtype: null },
      ...{ swiglu: "hf", residual: "none", threads: 1, isa: "scalar" as CpuIsa },
    };
    const { call } = build(choice);
    expect(codeOf(() => project({ ...call, rows: mostProjectRows + 1 }))).toBe("ERR_QKNORM_ARGUMENT");
    expect(codeOf(() => project({ ...call, outFeatures: 7 }))).toBe("ERR_QKNORM_SHAPE");
    const eps = Number.NEGATIVE_INFINITY;
    expect(codeOf(() => project({ ...call, norm: { ...call.norm!, eps } }))).toBe("ERR_QKNORM_ARGUMENT");
    expect(codeOf(() => project({ ...call, out: call.x }))).toBe("ERR_QKNORM_OVERLAP");
  });
});

function build(choice: Choice) {
  const { rows, inFeatures, outputs, dtype, norm, swiglu, isa } = choice;
  const value = gauss(choice.seed);
  const inputs: Guarded[] = [];
  const input = (of: Choice["dtype"], tokens: number, row: number): Guarded => {
    const made = new Guarded(of, tokens, 1, row, value).remember();
    inputs.push(made);
    return made;
  };
  const vector = (of: Choice["dtype"] | null, length: number) => of && input(of, 1, length);
  const outFeatures = swiglu === null ? outputs : 2 * outputs;
  const x = input(dtype, rows, inFeatures);
  const weight = input(choice.weightDtype, outFeatures, inFeatures);
  const bias = vector(choice.biasDtype, outFeatures);
  const apart = choice.residual === "apart" ? input(dtype, rows, outputs) : null;
  const out = new Guarded(dtype, rows, 1, outputs, value).remember();
  const residual = choice.residual === "in place" ? out : apart;
  const { weightDtype = null, biasDtype = null, ...spec } = norm ?? {};
  const affine = { weight: vector(weightDtype, inFeatures), bias: vector(biasDtype, inFeatures) };
  const ofNorm = norm && { ...norm, ...spec, eps: 1e-6, ...affine };
  const sizes = { rows, inFeatures, outFeatures };
  return { call: { ...sizes, x, weight, bias, norm: ofNorm, swiglu, residual, out, isa }, inputs, out };
}

/** The bits of `out`, by the functions that `project` stands for. */
function oneByOne({ call }: ReturnType<typeof build>, { dtype, outputs }: Choice) {
  const { rows, inFeatures, outFeatures, norm, swiglu, residual, isa } = call;
  const dense = (width: number) => new Guarded(dtype, rows, 1, width, () => 0, 0);
  let x = call.x;
  if (norm !== null) {
    const normed = dense(inFeatures);
    const exactly = (vector: Guarded | null): NativeArray | null =>
      vector?.data.subarray(vector.offset, vector.offset + inFeatures) ?? null;
    const side = {
      ...{ input: x.data, inputOffset: x.offset, inputTokenStride: x.rowStride, inputHeadStride: inFeatures },
      ...{ output: normed.data, outputOffset: normed.offset, outputTokenStride: normed.rowStride },
      ...{ outputHeadStride: inFeatures, heads: 1, ...norm },
      ...{ weight: exactly(norm.weight), weightDtype: norm.weight?.dtype ?? dtype, weightHeadStride: 0 },
      ...{ bias: exactly(norm.bias), biasDtype: norm.bias?.dtype ?? dtype, biasHeadStride: 0 },
    };
    qkNorm({ dtype, headDim: inFeatures, tokens: rows, sides: [side], isa });
    x = normed;
  }
  const product = dense(outFeatures);
  linear({
    rows,
    inFeatures,
    outFeatures,
    x,
    weight: call.weight,
    bias: call.bias,
    out: product,
    engine: "own",
    isa,
  });
  let result = product;
  if (swiglu !== null) {
    result = dense(outputs);
    siluMul({ dtype, rows, width: outputs, gateUp: product, out: result, rounding: swiglu, isa });
  }
  if (residual !== null) {
    const sums = dense(outputs);
    for (let r = 0; r < rows; r++) {
      const at = (of: Guarded) => ({ data: of.data, offset: of.at(r, 0, 0) });
      add({ dtype, count: outputs, a: at(residual), b: at(result), out: at(sums), isa });
    }
    result = sums;
  }
  return result.allBits();
}
