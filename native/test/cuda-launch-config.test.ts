import { describe, expect, it } from "vitest";
import { configRanges, divider, launchShape } from "../src/cuda/launch-config.ts";

const multiprocessors = 132;

describe("the grid", () => {
  it("covers each token of each head once, whatever the configuration", () => {
    for (const headDim of [8, 64, 80, 128, 1024]) {
      for (const { config } of configRanges(headDim, 2, "NVIDIA H200")) {
        for (const many of [1, 5, 1000, 20_000]) {
          const { blocks, slices, trips } = launchShape(config, 10, many, multiprocessors);
          const groups = (blocks * config.block) / config.lanes;
          expect(groups, "a lane group for each head of each slice").toBeGreaterThanOrEqual(slices * 10);
          expect(slices * config.rows * (config.loop > 0 ? trips : 1)).toBeGreaterThanOrEqual(many);
        }
      }
    }
  });

  it("is refused where the kernel's 32 bits would not count its threads", () => {
    const { config } = configRanges(1024, 2, "NVIDIA H200")[0]!;
    expect(() => launchShape(config, 1000, 150_000, multiprocessors)).toThrow(/too many for one launch/);
    expect(launchShape(config, 1000, 130_000, multiprocessors).slices).toBe(130_000);
  });

  it("divides by multiplying", () => {
    for (const by of [1, 2, 3, 5, 9, 72, 1000, 65535, 2 * 65535]) {
      const [multiplier, shift] = divider(by);
      expect(multiplier).toBeLessThan(2 ** 32);
      for (const n of [0, 1, by - 1, by, by + 1, 123_456_789, 2 ** 31 - by, 2 ** 31 - 1]) {
        expect(Number((BigInt(n) * BigInt(multiplier)) >> BigInt(shift)), `${n} / ${by}`).toBe(
          Math.floor(n / by),
        );
      }
    }
  });
});
