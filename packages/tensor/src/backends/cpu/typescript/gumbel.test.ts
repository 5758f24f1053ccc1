import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { gumbel, gumbelBound, MOST_GUMBEL, philox } from "./gumbel.ts";

const words = fc.oneof(
  fc.integer({ min: 0, max: 2 ** 32 - 1 }),
  fc.nat(40),
  fc.nat(40).map((x) => 2 ** 32 - 1 - x),
);

describe("random numbers by their place", () => {
  it("are Philox4x32-10: the known answers of its authors' Random123", () => {
    const of = (...given: Parameters<typeof philox> extends [infer C, infer K, unknown] ? [C, K] : never) => {
      const into = new Uint32Array(4);
      philox(...given, into);
      return [...into].map((word) => word.toString(16));
    };
    expect(of([0, 0, 0, 0], [0, 0])).toEqual(["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]);
    expect(of([-1, -1, -1, -1], [-1, -1])).toEqual(["408f276d", "41c83b0e", "a20bc7c6", "6d5451fd"]);
  });

  it("become Gumbel numbers that their bounds are never below, and not far above where they are large", () => {
    fc.assert(
      fc.property(words, (word) => {
        const number = gumbel(word);
        expect(number).toBeLessThan(gumbelBound(word));
        expect(number).toBeLessThan(MOST_GUMBEL);
        if (number > 3) expect(gumbelBound(word) - number).toBeLessThan(0.8);
      }),
      { numRuns: 3000 },
    );
  });
});
