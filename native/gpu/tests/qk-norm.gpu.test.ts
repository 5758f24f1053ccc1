import type { FloatDtype } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { CudaMemory, CudaQkNorm, CudaStream } from "../../src/index.ts";
import { expectNothingLive, failureOf, missing } from "./gpu.ts";
import { judge } from "./judge.ts";
import { type FormChoice, NormCase, plain, type Shape } from "./norm-case.ts";
import { kernelsOf, runCase } from "./norm-run.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const dtypes = ["bf16", "f16", "f32"] as const;
const kinds = ["rms", "layer", "l2", "unit"] as const;
const roundings = ["once", "hf"] as const;

/** Empty, or what is wrong with a case. */
function wrongWith(choice: FormChoice, shape: Shape): string {
  using stream = new CudaStream(0);
  const one = new NormCase(choice, shape);
  return judge(one, runCase(one, stream));
}

const few: Shape = { tokens: 37, heads: [6, 2] };

describe.skipIf(missing !== "")(`QK norm on a GPU${missing}`, () => {
  const specs = dtypes.flatMap((dtype) =>
    kinds.flatMap((kind) => roundings.map((rounding) => ({ dtype, kind, rounding }))),
  );

  it.each(specs)(
    "is the formula, with every kind of weight and bias: $dtype $kind, rounding $rounding",
    (spec) => {
      const other: FloatDtype = spec.dtype === "f32" ? "bf16" : "f32";
      const affine: FormChoice[] = [
        { weight: null },
        { weight: spec.dtype },
        { weight: other, weightOffset: 1 },
        { weight: spec.dtype, bias: spec.dtype },
        { weight: null, bias: spec.dtype },
        { weight: other, bias: other, weightOffset: 1 },
      ];
      for (const choice of affine)
        expect([choice, wrongWith({ ...spec, ...choice }, few)]).toEqual([choice, ""]);
      expect(wrongWith({ ...spec, weight: spec.dtype, bias: spec.dtype }, { ...few, perHead: true })).toBe(
        "",
      );
    },
  );

  const headDims = [8, 16, 24, 40, 64, 72, 80, 96, 112, 120, 160, 192, 256, 264, 512, 520, 1000, 1024];

  it.each(headDims)("is the formula at head dim %i", (headDim) => {
    for (const dtype of dtypes) {
      const shape: Shape = { tokens: 21, heads: [5, 1] };
      expect([dtype, wrongWith({ headDim, dtype, weight: dtype }, shape)]).toEqual([dtype, ""]);
    }
    expect(wrongWith({ headDim, kind: "layer", bias: "bf16" }, { tokens: 3, heads: [3, 3] })).toBe("");
  });

  it.each(dtypes)("takes heads with gaps, unaligned slices, and writes nothing else: %s", (dtype) => {
    for (const inPlace of [true, false]) {
      for (const shift of [0, 4, 2, 1]) {
        for (const headStride of [128, 128 + (shift || 8), 256]) {
          const shape: Shape = { tokens: 19, heads: [4, 2], headStride, shift };
          expect([shape, wrongWith({ dtype, weight: dtype, inPlace }, shape)]).toEqual([shape, ""]);
        }
      }
    }
  });

  it("is the formula for any shape, whatever configuration the launch table picks for it", () => {
    const shapes = fc.record({
      tokens: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.constantFrom(127, 128, 129, 500, 1023)),
      heads: fc.tuple(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 8 })),
      shift: fc.constantFrom(0, 0, 0, 4, 1),
      perHead: fc.boolean(),
      seed: fc.integer({ min: 1, max: 1000 }),
    });
    const forms = fc.constantFrom<FormChoice>(
      {},
      { headDim: 64, dtype: "f16", weight: "f16" },
      { inPlace: false },
    );
    fc.assert(
      fc.property(forms, shapes, (choice, shape) => {
        const smaller = {
          ...shape,
          tokens: Math.max(1, Math.min(shape.tokens, Math.floor(4000 / shape.heads[0]))),
        };
        expect(wrongWith(choice, smaller)).toBe("");
      }),
      { numRuns: 80, seed: 20261123 },
    );
  });

  it("keeps infinities and NaN inside of their rows", () => {
    using stream = new CudaStream(0);
    const one = new NormCase({}, { tokens: 5, heads: [2, 1] });
    one.before[64 + 3] = 0x7f80; // row 0
    one.before[64 + 130] = 0x7fc0; // row 1
    const after = runCase(one, stream);
    const row = (n: number) => [...after.subarray(64 + n * 128, 64 + (n + 1) * 128)];
    const isNaN16 = (bits: number) => (bits & 0x7fff) > 0x7f80;
    expect(row(0).some(isNaN16)).toBe(true);
    expect(row(1).every(isNaN16)).toBe(true);
    for (let n = 2; n < 20; n++) expect(row(n).some(isNaN16)).toBe(false);
  });

  it("launches nothing for zero tokens", () => {
    using stream = new CudaStream(0);
    const one = new NormCase({}, { tokens: 0, heads: [4, 2] });
    expect(runCase(one, stream)).toEqual(one.before);
  });

  it("refuses what does not lie inside, is not aligned, or was freed, before anything is written", () => {
    using stream = new CudaStream(0);
    const form = { ...plain, alignment: 16, weightAlignment: 16 } as const;
    const side = { heads: 2, eps: 1e-6, tokenStride: 1024, headStride: 256 };
    using qk = new CudaMemory(stream, 4096);
    using weight = new CudaMemory(stream, 256);
    qk.fill(7, stream);
    weight.fill(7, stream);
    const norm = new CudaQkNorm(kernelsOf(), { form, q: side, k: side })
      .tokens(4)
      .bind("qWeight", weight)
      .bind("kWeight", weight);
    using short = new CudaMemory(stream, 3568);
    const failing = (q: number, k: number, kMemory = qk) =>
      failureOf(() => norm.bind("qInput", qk, q).bind("kInput", kMemory, k).run(stream)).code;
    expect(failing(0, 0, short)).toBe("ERR_QKNORM_LAYOUT");
    expect(failing(8, 512)).toBe("ERR_QKNORM_LAYOUT");
    const gone = new CudaMemory(stream, 4096);
    norm.bind("qInput", qk, 0).bind("kInput", gone, 0);
    gone.free();
    expect(failureOf(() => norm.run(stream)).code).toBe("ERR_QKNORM_ARGUMENT");
    const after = new Uint8Array(4096);
    qk.download(after, stream);
    expect(after.every((byte) => byte === 7)).toBe(true);
    norm.bind("kInput", qk, 512).run(stream);
    stream.synchronize();
  });
});
