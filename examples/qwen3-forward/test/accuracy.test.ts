import { setQkNormLogger } from "@qknorm/core";
import { kernelStatus, useKernels } from "@qknorm/tensor";
import { beforeAll, describe, expect, it } from "vitest";
import { readHeldOutSums, score, variants } from "../src/sums.ts";

// A sample in every test run; `npm run accuracy` does all 1,000. On TypeScript kernels a sum takes a tenth of a second.
const count = kernelStatus().reason === null ? 150 : 10;

beforeAll(() => {
  setQkNormLogger(null);
});

describe("held-out sums", () => {
  it.each(variants)(
    "are answered as transformers answers them: $dtype, rounding $rounding, QK norm $path, cache $cacheDtype",
    (variant) => {
      const { prompts, right, same } = score(readHeldOutSums(), variant, { count });
      expect(prompts).toBe(count);
      expect(same).toBe(prompts);
      expect(right).toBe(prompts);
    },
  );

  it("are answered on plain TypeScript kernels too", () => {
    const former = useKernels("typescript");
    try {
      const { same } = score(
        readHeldOutSums(),
        { dtype: "bf16", rounding: "hf", path: "auto" },
        { count: 10 },
      );
      expect(same).toBe(10);
    } finally {
      useKernels(former);
    }
  });
});
