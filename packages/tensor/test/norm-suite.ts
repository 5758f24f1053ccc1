// Norms of whole rows on a device, alone and behind a sum.
import { describe, expect, test } from "vitest";
import { add, addNormalize, type Device, type FloatDtype, normalize, tidy } from "../src/index.ts";
import { Distance } from "./distance.ts";
import { filled, reference, rms, type Spec, specOn } from "./qk-norm-cases.ts";

export function normSuite(device: Device): void {
  // A row in one warp, one thread a chunk, a tail, and rows longer than a block has threads.
  const lengths = [64, 1024, 1003, 8200];
  const specs = (dtype: FloatDtype, length: number): Spec[] => [
    { ...rms, weight: filled(1, [length], dtype), rounding: "hf" },
    {
      ...{ ...rms, kind: "layer", axis: "row", rounding: "once" },
      ...{ weight: filled(1, [length], "f32"), bias: filled(2, [length], "f32"), weightOffset: 1 },
    },
  ];

  describe.each(["f32", "bf16"] as const)("of %s", (dtype) => {
    test("rows of any length have the norm of the reference", () => {
      const distance = new Distance();
      for (const length of lengths) {
        const x = filled(3, [3, length], dtype, 2);
        for (const spec of specs(dtype, length)) {
          const there = tidy(() => normalize(x.to(device), specOn(device, spec)).to("cpu"));
          distance.add(there, reference(x, 1, length, spec), { relative: 1e-5 });
        }
      }
      if (dtype !== "f32") distance.check();
    });

    test("addNormalize has the bits of add and then normalize, with operands in any rows", () => {
      for (const length of lengths) {
        for (const spec of specs(dtype, length)) {
          tidy(() => {
            const there = specOn(device, spec);
            const x = filled(4, [5, length + 8], dtype)
              .to(device)
              .slice(1, 8, length + 8);
            const residual = filled(5, [5, length], dtype).to(device);
            const [sum, normed] = addNormalize(x, residual, there);
            const expected = add(x, residual);
            expect(sum.to("cpu").data).toEqual(expected.to("cpu").data);
            expect(normed.to("cpu").data).toEqual(normalize(expected, there).to("cpu").data);
          });
        }
      }
    });
  });

  test("addNormalize is composed where each head has weights of its own", () => {
    tidy(() => {
      const spec = specOn(device, { ...rms, weight: filled(1, [2, 16], "f32") });
      const [x, residual] = [filled(2, [3, 2, 16], "f32"), filled(3, [3, 2, 16], "f32")];
      const [sum, normed] = addNormalize(x.to(device), residual.to(device), spec);
      expect(sum.to("cpu").data).toEqual(add(x, residual).data);
      expect(normed.to("cpu").data).toEqual(normalize(sum, spec).to("cpu").data);
    });
  });
}
