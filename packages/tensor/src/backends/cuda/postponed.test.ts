import { project, Tensor, tidy, together } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import { togetherSuite } from "../../../test/together-suite.ts";

describe.skipIf(missing !== "")(`ops asked for together, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  // None of these steps fits a launch with others: they are queued late all the same.
  togetherSuite("cuda:0", {
    "a decoder of f32": {
      ...{ dtype: "f32", hidden: 32, heads: [2, 1], headDim: 16, intermediate: 24, vocab: 40 },
      ...{ layers: 2, capacity: 12, past: [0, 5, 11] },
    },
    "bf16 with something between attention and its projection": {
      ...{ dtype: "bf16", hidden: 64, heads: [2, 1], headDim: 64, intermediate: 32, vocab: 16 },
      ...{ layers: 1, capacity: 8, past: [3], gap: true },
    },
  });

  it("queues what was asked for when the work throws, and frees what was freed meanwhile", () => {
    tidy(() => {
      const x = Tensor.from([1, 2], [1, 2], "f32", "cuda:0");
      const weight = Tensor.from([1, 0, 0, 1], [2, 2], "f32", "cuda:0");
      const left: Tensor[] = [];
      const broken = (): never =>
        together("cuda:0", () => {
          const once = project(x, weight, { residual: x });
          left.push(project(once, weight, { residual: x }));
          once.dispose();
          expect(() => once.toNumbers()).toThrow(/disposed|freed/);
          throw new Error("broken");
        });
      expect(broken).toThrow("broken");
      expect([...(left[0] as Tensor).toNumbers()]).toEqual([3, 6]);
    });
  });
});
