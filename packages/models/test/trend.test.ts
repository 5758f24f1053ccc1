import { expect, it } from "vitest";
import { growthOver, type Point } from "../bench/trend.ts";

const points = (value: (at: number) => number): Point[] =>
  Array.from({ length: 21 }, (_, i) => ({ at: 10 * i, value: value(10 * i) }));

it("grows by the slope times the time, and by nothing where it goes up and down", () => {
  expect(growthOver(points((at) => 120 + at / 100))).toBeCloseTo(2, 10);
  expect(growthOver(points((at) => 120 + (at % 20)))).toBeCloseTo(0, 10);
});

it("is moved by no outlier, and sees a rise behind noise", () => {
  expect(growthOver(points((at) => (at === 200 ? 500 : 120)))).toBe(0);
  const noisy = growthOver(points((at) => 120 + at / 100 + ((at * 7) % 30) / 60));
  expect(noisy).toBeGreaterThan(1.5);
  expect(noisy).toBeLessThan(2.5);
});

it("is nothing that can be told of fewer than two points", () => {
  expect(growthOver([])).toBeNaN();
  expect(growthOver([{ at: 0, value: 1 }])).toBeNaN();
});
