import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NormOperands } from "../src/cuda/norm-operands.ts";
import type { CudaLaunch, CudaMemory, CudaNormForm } from "../src/index.ts";

// Rows of 16 bytes, everything else in steps of 8.
const unit = 8;
const row = 2;
const form: CudaNormForm = {
  ...{ headDim: 8, dtype: "bf16", kind: "rms", weight: null, bias: null, weightOffset: 0 },
  ...{ rounding: "once", inPlace: true, alignment: 8, weightAlignment: 16 },
} as const;
const names = (side: string) => ({
  input: `${side}Input`,
  output: `${side}Output`,
  weight: `${side}Weight`,
  bias: `${side}Bias`,
});
const memory = { handle: 3 } as CudaMemory;
const launch = { address: () => launch } as unknown as CudaLaunch;

interface Layout {
  readonly heads: number;
  readonly offset: number;
  readonly tokenStride: number;
  readonly headStride: number;
}

/** Each unit of memory as often as a kernel writes it. */
function written({ heads, offset, tokenStride, headStride }: Layout, tokens: number): number[] {
  return Array.from({ length: tokens * heads * row }, (_, i) => {
    const [token, head, at] = [Math.floor(i / (heads * row)), Math.floor(i / row) % heads, i % row];
    return offset + token * tokenStride + head * headStride + at;
  });
}

function isTaken(q: Layout, k: Layout, tokens: number): boolean {
  const sideOf = ({ heads, tokenStride, headStride }: Layout) => ({
    ...{ heads, eps: 0, tokenStride: tokenStride * unit, headStride: headStride * unit },
  });
  const operands = new NormOperands(form, [
    { side: sideOf(q), at: 0, names: names("q") },
    { side: sideOf(k), at: 80, names: names("k") },
  ]);
  try {
    operands.setTokens(tokens);
    operands.bind("qInput", memory, q.offset * unit);
    operands.bind("kInput", memory, k.offset * unit);
    operands.writeTo(launch);
    return true;
  } catch (error) {
    expect((error as { code: string }).code).toBe("ERR_QKNORM_OVERLAP");
    return false;
  }
}

describe("operands that are written", () => {
  it("are never taken where two rows share a byte", () => {
    const layout = fc.record({
      heads: fc.integer({ min: 1, max: 4 }),
      offset: fc.integer({ min: 0, max: 40 }),
      tokenStride: fc.integer({ min: 0, max: 30 }),
      headStride: fc.integer({ min: 0, max: 30 }),
    });
    const alike = fc
      .tuple(layout, layout)
      .map(([q, k]) => [q, { ...k, tokenStride: q.tokenStride, headStride: q.headStride }] as const);
    fc.assert(
      fc.property(
        fc.oneof(alike, fc.tuple(layout, layout)),
        fc.integer({ min: 1, max: 4 }),
        ([q, k], tokens) => {
          if (!isTaken(q, k, tokens)) return;
          const all = [...written(q, tokens), ...written(k, tokens)];
          expect(new Set(all).size).toBe(all.length);
        },
      ),
      { numRuns: 20_000 },
    );
  });

  it("are taken in every way that q, k and v are packed", () => {
    const heads = { heads: 3 };
    const ways: Record<string, readonly [Layout, Layout]> = {
      "[T, q | k | v]": [
        { heads: 6, offset: 0, tokenStride: 20, headStride: row },
        { ...heads, offset: 12, tokenStride: 20, headStride: row },
      ],
      "[T, H, q | k | v]": [
        { ...heads, offset: 0, tokenStride: 18, headStride: 6 },
        { ...heads, offset: 2, tokenStride: 18, headStride: 6 },
      ],
      "[H, q | k | v, T]": [
        { ...heads, offset: 0, tokenStride: row, headStride: 24 },
        { ...heads, offset: 8, tokenStride: row, headStride: 24 },
      ],
      "[q | k | v, H, T]": [
        { ...heads, offset: 0, tokenStride: row, headStride: 8 },
        { ...heads, offset: 24, tokenStride: row, headStride: 8 },
      ],
    };
    for (const [way, [q, k]] of Object.entries(ways)) {
      expect(isTaken(q, k, 4), way).toBe(true);
      expect(isTaken(k, q, 4), way).toBe(true);
    }
  });
});
