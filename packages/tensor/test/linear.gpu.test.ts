import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect } from "vitest";
import { liveBytes, openDevice } from "../src/index.ts";
import { linearGraphSuite, linearSuite } from "./linear-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

describe.skipIf(missing !== "")(`products on a GPU${missing}`, () => {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
  linearSuite(device, {
    products: [
      [1, 1024, 1100],
      [1, 4096, 40],
      [1, 12288, 12],
      [2, 300, 5],
      [4, 2048, 140],
      [5, 13, 7],
      [8, 2056, 130],
      [16, 1024, 90],
      [65, 1000, 130],
    ],
    projections: [
      ["bf16", "rms", 1, 1024, 1100],
      ["bf16", "l2", 1, 4096, 128],
      ["f32", "rms", 1, 344, 26],
      ["f16", "unit", 1, 9000, 12],
      ["bf16", "rms", 4, 1024, 144],
      ["bf16", "layer", 2, 100, 16],
      ["bf16", "rms", 40, 264, 72],
    ],
  });
  linearGraphSuite(device);
});
