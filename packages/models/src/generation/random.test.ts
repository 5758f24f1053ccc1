import { describe, expect, it } from "vitest";
import { createRandomSource, randomSeed, splitMix64, xoshiro128 } from "./random.ts";

describe("the random source", () => {
  it("is xoshiro128**: the outputs that its authors' code gives for the state 1, 2, 3, 4", () => {
    const next = xoshiro128([1, 2, 3, 4]);
    const outputs = Array.from({ length: 10 }, next);
    expect(outputs).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  it("is seeded by SplitMix64: the outputs that its author's code gives for the seed 1234567", () => {
    const next = splitMix64(1234567n);
    expect([next(), next(), next()]).toEqual([
      6457827717110365317n,
      3203168211198807973n,
      9817491932198370423n,
    ]);
  });

  it("gives the same numbers for the same seed, and others for another, also beyond 32 bits", () => {
    const draw = (seed: number) => Array.from({ length: 4 }, createRandomSource(seed).next);
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    expect(draw(7)).not.toEqual(draw(7 + 2 ** 32));
  });

  it("is uniform in [0, 1): each of 100 bins of 100,000 draws is within 5 sigma", () => {
    const { next } = createRandomSource(1);
    const bins = new Float64Array(100);
    for (let i = 0; i < 100_000; i++) {
      const value = next();
      expect(value >= 0 && value < 1).toBe(true);
      bins[Math.floor(value * 100)]!++;
    }
    for (const count of bins) expect(Math.abs(count - 1000)).toBeLessThan(5 * Math.sqrt(990));
  });

  it("makes seeds that are safe integers and differ", () => {
    const seeds = Array.from({ length: 100 }, randomSeed);
    expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
    expect(new Set(seeds).size).toBe(100);
  });
});
