import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { moeGraphSuite, moeSuite } from "./moe-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`mixtures of experts on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  moeSuite(device, {
    dtypes: ["f32", "bf16", "f16"],
    sizes: [
      { tokens: 1, experts: 16, choices: 8, hidden: 512, intermediate: 192 },
      { tokens: 3, experts: 5, choices: 2, hidden: 36, intermediate: 20 },
      { tokens: 70, experts: 16, choices: 4, hidden: 264, intermediate: 104 },
    ],
    activations: ["silu", "gelu", "gelu-tanh", "relu2"],
  });
  moeGraphSuite(device);
});
