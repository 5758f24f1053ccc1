import { afterEach, describe, expect, it } from "vitest";
import { type CudaMemory, CudaRowNorm, CudaStream } from "../../src/index.ts";
import { expectNothingLive, missing } from "./gpu.ts";
import { judge } from "./judge.ts";
import { type FormChoice, kernelsOf, NormCase, uploaded } from "./norm-case.ts";

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
});

/** q and k by a launch each: empty, or what is wrong. */
function wrongWith(choice: FormChoice): string {
  using stream = new CudaStream(0);
  const one = new NormCase(choice, { tokens: 5, heads: [3, 2] });
  using input = uploaded(stream, one.before);
  using apart = uploaded(stream, one.before);
  const output = one.form.inPlace ? input : apart;
  const owned: CudaMemory[] = [];
  for (const side of one.sides()) {
    const norm = new CudaRowNorm(kernelsOf(), { form: one.form, x: side.view }).tokens(5);
    norm.bind("input", input, side.start);
    if (!one.form.inPlace) norm.bind("output", output, side.start);
    for (const [name, bits] of [["weight", side.weights] as const, ["bias", side.biases] as const]) {
      if (bits === null) continue;
      const memory = uploaded(stream, bits);
      owned.push(memory);
      norm.bind(name, memory);
    }
    norm.run(stream);
  }
  const after = one.before.slice();
  output.download(after, stream);
  for (const memory of owned) memory.free();
  return judge(one, after);
}
