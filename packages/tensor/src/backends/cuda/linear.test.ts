import { beforeEach, describe, expect, test } from "vitest";
import { linearGraphSuite, linearSuite } from "../../../test/linear-suite.ts";
import { filled } from "../../../test/qk-norm-cases.ts";
import { expectCleanDevices, missing, notes, scripted } from "../../../test/stand-in.ts";
import { linear, tidy } from "../../index.ts";

const device = "cuda:0";

describe.skipIf(missing !== "")(`products on a device, on a stand-in driver${missing}`, () => {
  expectCleanDevices();
  // The norms that a projection stands for run by their own text, whose order of additions it has.
  beforeEach(() => scripted({ "own text": 1 }));
  linearSuite(device, {
    products: [
      [1, 64, 16],
      [1, 300, 5],
      [2, 1024, 33],
      [5, 13, 7],
      [8, 2056, 20],
      [40, 72, 24],
    ],
    projections: [
      ["bf16", "rms", 1, 1024, 48],
      ["f32", "l2", 2, 100, 16],
      ["f16", "unit", 8, 64, 40],
      ["bf16", "layer", 2, 64, 40],
      ["bf16", "rms", 11, 64, 40],
    ],
  });
  linearGraphSuite(device);

  test("go through cuBLASLt from 9 rows on, planned once for a shape", () => {
    const weight = filled(2, [16, 64], "bf16");
    tidy(() => {
      const there = weight.to(device);
      notes();
      for (let i = 0; i < 3; i++) {
        linear(filled(i, [9, 64], "bf16").to(device), there);
        linear(filled(i, [8, 64], "bf16").to(device), there);
      }
      const made = notes().filter((note) => note.startsWith("product"));
      expect(made.filter((note) => note.startsWith("product plan"))).toEqual([
        "product plan 9 16 64 type 14 alignment 16",
      ]);
      expect(made.filter((note) => note === "product 9 16 64 workspace 0")).toHaveLength(3);
    });
  });
});
