import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeE4m3, encodeE4m3, largestE4m3, scaleE4m3 } from "./float8.ts";

const patterns = Array.from({ length: 256 }, (_, i) => i);

test("it is the OCP flavour: 448 is the largest, minus zero is no NaN, and S.1111.111 alone is one", () => {
  expect(patterns.filter((pattern) => Number.isNaN(decodeE4m3(pattern)))).toEqual([0x7f, 0xff]);
  expect(Object.is(decodeE4m3(0x80), -0)).toBe(true);
  expect([decodeE4m3(0x7e), decodeE4m3(0xfe), decodeE4m3(0x38)]).toEqual([448, -448, 1]);
  expect([decodeE4m3(0x01), decodeE4m3(0x08)]).toEqual([2 ** -9, 2 ** -6]);
});

test("every value encodes to its own pattern", () => {
  const own = patterns.filter((pattern) => !Number.isNaN(decodeE4m3(pattern)));
  expect(own.map((pattern) => encodeE4m3(decodeE4m3(pattern)))).toEqual(own);
});

test("any number becomes the nearest value, ties to even; the largest for all that is larger, and NaN stays", () => {
  const grid = patterns.slice(0, 0x7f).map((pattern) => decodeE4m3(pattern));
  const nearest = (magnitude: number): number => {
    let best = 0;
    for (const [pattern, value] of grid.entries()) {
      const [closer, now] = [Math.abs(value - magnitude), Math.abs(grid[best]! - magnitude)];
      if (closer < now || (closer === now && pattern % 2 === 0)) best = pattern;
    }
    return best;
  };
  const halves = grid.slice(1).map((value, i) => (value + grid[i]!) / 2);
  const numbers = fc.oneof(
    fc.double({ noNaN: true, min: -500, max: 500 }),
    fc.double({ noNaN: true, min: -0.03, max: 0.03 }),
    fc.constantFrom(...halves, ...grid),
  );
  fc.assert(
    fc.property(numbers, (value) => {
      const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
      expect(encodeE4m3(value)).toBe(sign | nearest(Math.abs(value)));
    }),
    { numRuns: 2000 },
  );
  expect([1e9, -1e9, Number.POSITIVE_INFINITY].map(encodeE4m3)).toEqual([0x7e, 0xfe, 0x7e]);
  expect(encodeE4m3(Number.NaN)).toBe(0x7f);
});

test("with its scale, the largest of a row is stored as 448, and a row of zeros has a scale to divide by", () => {
  for (const most of [1e-20, 0.3, 1, 448, 6e4, 3e38]) {
    expect(encodeE4m3(Math.fround(most * Math.fround(1 / scaleE4m3(most))))).toBe(encodeE4m3(largestE4m3));
  }
  expect(scaleE4m3(0)).toBeGreaterThan(0);
  expect(Number.isFinite(1 / scaleE4m3(0))).toBe(true);
  const largestF32 = 3.4028234663852886e38;
  expect(scaleE4m3(Number.POSITIVE_INFINITY)).toBe(Math.fround(largestF32 / 448));
});
