import { kernelStatus } from "@qknorm/tensor";
import { describe } from "vitest";
import { linearSuite } from "../../../test/linear-suite.ts";

const { reason } = kernelStatus();

describe.skipIf(reason !== null)(`products on the CPU, by native kernels${reason ?? ""}`, () => {
  linearSuite("cpu", {
    products: [
      [1, 64, 16],
      [1, 300, 5],
      [2, 1024, 33],
      [3, 2056, 200],
      [12, 72, 24],
      [40, 1100, 70],
    ],
    projections: [
      ["bf16", "rms", 1, 1024, 400],
      ["f32", "l2", 2, 100, 16],
      ["f16", "unit", 8, 64, 40],
      ["bf16", "layer", 9, 64, 40],
    ],
  });
});
