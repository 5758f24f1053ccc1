import { afterEach, describe, expect, it } from "vitest";
import { CudaRowNorm, CudaStream } from "../../src/index.ts";
import { expectNothingLive, missing } from "./gpu.ts";
import { judge } from "./judge.ts";
import { type FormChoice, NormCase } from "./norm-case.ts";
import { kernelsOf, uploaded } from "./norm-run.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const dtypes = ["bf16", "f16", "f32"] as const;

describe.skipIf(missing !== "")(`the plain norm on a GPU${missing}`, () => {
  const lengths = [8, 80, 128, 1024, 4096, 16384];

  it.each(lengths)("is the formula for rows of %i", (headDim) => {
    for (const dtype of dtypes) {
      for (const rounding of ["once", "hf"] as const) {
        for (const weightOffset of [0, 1] as const) {
          for (const inPlace of [true, false]) {
            const choice: FormChoice = { headDim, dtype, weight: dtype, rounding, weightOffset, inPlace };
            expect([choice, wrongWith(choice)]).toEqual([choice, ""]);
          }
        }
      }
    }
  });

  it.each(["layer", "l2", "unit"] as const)(
    "is the formula of %s too, with and without weights and biases",
    (kind) => {
      for (const dtype of dtypes) {
        for (const affine of [
          { weight: null },
          { weight: dtype, bias: dtype },
          { weight: null, bias: dtype },
        ]) {
          const choice: FormChoice = { headDim: 512, kind, dtype, ...affine };
          expect([choice, wrongWith(choice)]).toEqual([choice, ""]);
        }
      }
    },
  );
});

/** q and k by a launch each: empty, or what is wrong. */
function wrongWith(choice: FormChoice): string {
  using stream = new CudaStream(0);
  const one = new NormCase(choice, { tokens: 5, heads: [3, 2] });
  using input = uploaded(stream, one.before);
  using apart = uploaded(stream, one.before);
  const output = one.form.inPlace ? input : apart;
  for (const side of one.sides()) {
    const norm = new CudaRowNorm(kernelsOf(), { form: one.form, x: side.view }).tokens(5);
    norm.bind("input", input, side.start);
    if (!one.form.inPlace) norm.bind("output", output, side.start);
    using weight = uploaded(stream, side.weights ?? new Uint16Array(0));
    using bias = uploaded(stream, side.biases ?? new Uint16Array(0));
    if (side.weights) norm.bind("weight", weight);
    if (side.biases) norm.bind("bias", bias);
    norm.run(stream);
  }
  const after = one.before.slice();
  output.download(after, stream);
  return judge(one, after);
}
