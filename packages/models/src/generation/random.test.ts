import { expect, it } from "vitest";
import { randomSeed } from "./random.ts";

it("makes seeds that are safe integers and differ", () => {
  const seeds = Array.from({ length: 100 }, randomSeed);
  expect(seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)).toBe(true);
  expect(new Set(seeds).size).toBe(100);
});
