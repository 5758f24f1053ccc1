// What the GPU benchmark computes without a GPU: its rows, its filter, its verdicts.
import { describe, expect, it } from "vitest";
import type { ResultRow, Results } from "../gpu/bench/results.ts";
import { filterOf, grid, kinds, nameOf, type RowKind, rowBytes } from "../gpu/bench/rows.ts";
import { mean, ratiosTo, summarize } from "../gpu/bench/summary.ts";

const kind: RowKind = { headDim: 128, dtype: "bf16", layout: "contiguous", cache: "warm" };

describe("the GPU benchmark", () => {
  it("has the 112 rows of the published table, for every kind of data", () => {
    expect(grid).toHaveLength(112);
    expect(new Set(grid.map((row) => JSON.stringify(row))).size).toBe(112);
    expect([kinds.length, nameOf(kinds[0] as RowKind)]).toEqual([24, "bf16 D 128, contiguous, warm"]);
    expect(rowBytes(128, { gqa: 8, kvHeads: 8, tokens: 8192 })).toBe(8192 * 72 * 128 * 2);
  });

  it("measures only what is asked for, and refuses fields that rows do not have", () => {
    const some = filterOf("headDim=64|128,tokens=1");
    const row = { gqa: 4, kvHeads: 1, tokens: 1 };
    expect([some(kind), some(kind, row), some(kind, { ...row, tokens: 2 })]).toEqual([true, true, false]);
    expect(some({ ...kind, headDim: 256 })).toBe(false);
    expect(filterOf("")(kind, row)).toBe(true);
    expect(() => filterOf("heads=4")).toThrow("--only takes FIELD=VALUE|VALUE, got heads=4");
  });

  it("says of each goal whether it is met, and by what", () => {
    const us = (tokens: number) => ({
      fused: tokens,
      seedDesign: 1.6 * tokens,
      mid2026Design: 1.5 * tokens,
      deviceCopy: tokens,
    });
    const rows: ResultRow[] = grid.map((row) => ({ ...kind, ...row, us: us(row.tokens) }));
    const text = summarize(resultsWith(rows));
    expect(text).toMatch(/^MISSED geometric mean over the seed's design, warm: 1\.60 \(>= 1\.7\)$/m);
    expect(text).toMatch(/^met {4}worst row against either baseline, warm: 1\.50 \(>= 1\)$/m);
    expect(text).toMatch(/^bf16 D 128, contiguous, warm +1\.60 \(1\.60\) +1\.50 \(1\.50\)/m);
    expect(text).not.toMatch(/torch.compile over/);
  });

  it("takes geometric means over the rows that have both", () => {
    const rows = [{ fused: 1, other: 2 }, { fused: 1, other: 8 }, { fused: 1 }].map((us) => ({
      ...kind,
      ...grid[0]!,
      us,
    }));
    expect(ratiosTo(rows as ResultRow[], "other")).toEqual([2, 8]);
    expect(mean([2, 8])).toBeCloseTo(4, 12);
  });
});

function resultsWith(rows: ResultRow[]): Results {
  const states = [{ kind: "all", state: "quiet", seedOneTokenUs: 1 } as const];
  const floors = { copyTBs: 4, emptyUs: 0.4, emptyAloneUs: 0.5, waitUs: 0.4 };
  return {
    device: "a device",
    date: "today",
    commit: "none",
    ...floors,
    states,
    rows,
    loadedRows: [],
    oddRows: [],
  };
}
