import * as fc from "fast-check";
import { expect, test } from "vitest";
import { gemvGeometry } from "./gemv-geometry.ts";

const sizes = fc.record({
  inputs: fc.integer({ min: 1, max: 30_000 }),
  outputs: fc.integer({ min: 1, max: 200_000 }),
  weight: fc.constantFrom("f32", "bf16", "f16"),
  swiglu: fc.boolean(),
  tensor: fc.boolean(),
  multiprocessors: fc.integer({ min: 1, max: 200 }),
});

test("every product has a geometry that covers its outputs and that a block can have", () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 8 }), (size, tokens) => {
      const { tensor, rows, split, warps, depth, tiles, blocks } = gemvGeometry({ ...size, tokens });
      expect(tensor).toBe(size.tensor);
      const outputs = (warps / split) * (size.swiglu ? rows / 2 : rows);
      expect(Number.isInteger(outputs)).toBe(true);
      expect(tiles * outputs).toBeGreaterThanOrEqual(size.outputs);
      expect((tiles - 1) * outputs).toBeLessThan(size.outputs);
      expect(blocks).toBeGreaterThan(0);
      expect(blocks).toBeLessThanOrEqual(tiles);
      expect(warps).toBeLessThanOrEqual(8);
      expect(depth).toBeGreaterThan(0);
      expect(depth * (tensor ? rows / 8 : rows)).toBeLessThanOrEqual(16);
      if (tensor) expect(rows % 8).toBe(0);
      else expect(rows * tokens).toBeLessThanOrEqual(32);
    }),
    { numRuns: 500 },
  );
});

test("the order of additions does not depend on the number of tokens", () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 2, max: 8 }), (size, tokens) => {
      expect(gemvGeometry({ ...size, tokens }).split).toBe(gemvGeometry({ ...size, tokens: 1 }).split);
    }),
  );
});

test("a lane of a product of one row adds up six chunks of a row at most, as long as eight warps are enough", () => {
  fc.assert(
    fc.property(sizes, (size) => {
      const { split } = gemvGeometry({ ...size, tensor: false, tokens: 1 });
      const ofLane = Math.ceil(size.inputs / 8) / (32 * split);
      expect(split === 8 || ofLane <= 6).toBe(true);
    }),
  );
});

test("loads under way are so many bytes of the weight, and half of that where sums of three tokens or more are kept", () => {
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 8 }), (size, tokens) => {
      const plain = { ...size, tensor: false, tokens };
      const { rows, depth } = gemvGeometry(plain);
      const most = (16 * 2) / { f32: 4, bf16: 2, f16: 2 }[size.weight as "f32"] / (tokens > 2 ? 2 : 1);
      expect(rows * depth).toBeLessThanOrEqual(Math.max(rows, most));
    }),
    { numRuns: 500 },
  );
});
