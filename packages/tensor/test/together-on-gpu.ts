import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import type { StepCase } from "./together-decoder.ts";
import { togetherSuite } from "./together-suite.ts";

export const small: StepCase = {
  ...{ dtype: "bf16", hidden: 256, heads: [4, 2], headDim: 128, intermediate: 384, vocab: 1000 },
  ...{ layers: 2, capacity: 512, past: [0, 1, 63, 64, 65, 200, 511, 3, 500] }, // fewer pieces, and more again
};

/** The suite where there is a GPU; cases that compile for long are several files. */
export function togetherOnGpu(cases: Readonly<Record<string, StepCase>>): void {
  const device = "cuda:0";
  const cuda = examine().providers.find(({ name }) => name === "cuda");
  const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;
  describe.skipIf(missing !== "")(`joined ops on a GPU${missing}`, () => {
    beforeAll(async () => {
      await openDevice(device);
    });
    afterEach(() => {
      expect(liveBytes(device)).toBe(0);
    });
    togetherSuite(device, cases);
  });
}
