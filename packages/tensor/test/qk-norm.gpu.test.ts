import { applyQkNorm, planQkNorm } from "@qknorm/core";
import { examine } from "@qknorm/native";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import { liveBytes, openDevice, siluMul, Tensor, tidy } from "../src/index.ts";
import { captureSuite } from "./capture-suite.ts";
import { planIsRunSuite } from "./plan-is-run-suite.ts";
import { filled, norm, rms, specOn } from "./qk-norm-cases.ts";
import { qkNormSuite } from "./qk-norm-suite.ts";
import { repeatedCallsSuite } from "./repeated-calls-suite.ts";

const device = "cuda:0";
const cuda = examine().providers.find(({ name }) => name === "cuda");
const missing = cuda?.ready ? "" : ` (skipped: no GPU to test on: ${cuda?.because})`;

function expectNothingLive(): void {
  beforeAll(async () => {
    await openDevice(device);
  });
  afterEach(() => {
    expect(liveBytes(device)).toBe(0);
  });
}

describe.skipIf(missing !== "")(`QK norm on a GPU${missing}`, () => {
  expectNothingLive();
  qkNormSuite(device, "cuda");

  planIsRunSuite(device);

  test.each(["f32", "bf16", "f16"] as const)("siluMul of %s is the CPU's within a rounding", (dtype) => {
    for (const [rows, width] of [
      [1, 3072],
      [7, 24],
      [300, 1000],
      [5, 13],
    ] as const) {
      for (const rounding of ["once", "hf"] as const) {
        const x = filled(3, [rows, 2 * width], dtype, 3);
        tidy(() => {
          const result = siluMul(x.to(device), rounding).toNumbers();
          const expected = siluMul(x, rounding).toNumbers();
          const ulp = dtype === "f32" ? 2 ** -20 : dtype === "bf16" ? 2 ** -7 : 2 ** -10;
          // Each rounding may fall on the other side of a tie: hf has two. Below its smallest normal number f16 has
          // steps of one size, and hf multiplies one that was rounded by up.
          const step = rounding === "hf" ? 2 * ulp : ulp;
          const values = x.toNumbers();
          const least = (i: number): number => {
            const up = values[Math.floor(i / width) * 2 * width + width + (i % width)] as number;
            return dtype === "f16" ? 2 ** -24 * (1 + Math.abs(up)) : 1e-30;
          };
          const far = result.findIndex(
            (value, i) => Math.abs(value - expected[i]!) > Math.abs(expected[i]!) * step + least(i),
          );
          expect([far, result[far], expected[far]]).toEqual([-1, undefined, undefined]);
        });
      }
    }
  });

  test("rows past element 2^31 are normalised as any other, and nothing between them is touched", () => {
    tidy(() => {
      const [tokens, d] = [530_000, 128];
      const widths = [32 * d, 8 * d, d];
      const width = widths.reduce((a, b) => a + b);
      const qkv = Tensor.zeros([tokens, width], "bf16", device);
      const [q, k] = qkv.split(1, widths) as [Tensor, Tensor];
      expect(q.size).toBeGreaterThan(2 ** 31);
      const some = filled(1, [2, width], "bf16", 2).to(device);
      const places = [0, 262_143, tokens - 2];
      for (const at of places) qkv.slice(0, at, at + 2).copyFrom(some);
      const spec = specOn(device, { ...rms, weight: filled(2, [d], "bf16") });
      const headDim = d;
      const plan = planQkNorm({ q, k, qNorm: norm(spec), kNorm: norm(spec), headDim });
      expect(plan).toMatchObject({ path: "fused", provider: "cuda" });
      applyQkNorm(q, k, norm(spec), norm(spec), headDim);

      const alone = (rows: Tensor) => {
        const [a, b] = rows.split(1, widths) as [Tensor, Tensor];
        applyQkNorm(a, b, norm(spec), norm(spec), headDim);
        return rows.to("cpu").data;
      };
      const expected = alone(some);
      const ofZeros = alone(Tensor.zeros([1, width], "bf16", device)); // zeros with the signs of the weights
      for (const at of places) {
        expect(qkv.slice(0, at, at + 2).to("cpu").data).toEqual(expected);
        const beside = qkv.slice(0, Math.min(at + 2, tokens - 3), Math.min(at + 3, tokens - 2));
        expect(beside.to("cpu").data).toEqual(ofZeros);
      }
    });
  });
});

describe.skipIf(missing !== "")(`graphs and streams on a GPU${missing}`, () => {
  expectNothingLive();
  captureSuite(device, 10_000);
});

describe.skipIf(missing !== "")(`repeated calls on a GPU${missing}`, () => {
  expectNothingLive();
  repeatedCallsSuite(device, (x) => x.dispose());
});
