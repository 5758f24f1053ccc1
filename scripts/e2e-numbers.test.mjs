import { describe, expect, it } from "vitest";
import { endToEndPlot, endToEndSections } from "./e2e-numbers.mjs";

const us = (median) => ({ median, least: 0.5 * median, most: 2 * median, turns: 5 });
const step = { model: "qwen3-0.6b", batch: 1, path: "chain", context: [128, 256], stepUs: us(500) };
const results = {
  device: "a device",
  date: "today",
  versions: { torch: "2", transformers: "5" },
  rounding: "once",
  copyTBs: 4,
  decode: [step, { ...step, batch: 64, stepUs: us(1000) }],
  prefill: [{ model: "qwen3-0.6b", tokens: 4096, path: "fused", ms: us(20) }],
  costs: [{ model: "qwen3-0.6b", path: "chain", op: "linear [1, 8]", calls: 28, us: 100, weightBytes: 2e8 }],
  torch: [{ model: "qwen3-0.6b", what: "decode", batch: 1, tokens: 128, us: us(2000) }],
  logits: [{ what: "f32", positions: 4096, largestDifference: 1e-5 }],
  firstToken: [{ model: "qwen3-0.6b", ms: us(1500) }],
};

describe("the page's part on whole models", () => {
  it("is empty without results", () => {
    expect(endToEndSections([])).toEqual([]);
  });

  it("gives tokens a second, the slowest and the fastest turn, path by path", () => {
    const [rates, costs, checked] = endToEndSections([results]);
    expect(rates).toMatch(
      /every token read \| {2}\| {2}\| 2,000 \(1,000 to 4,000\) \| 500 \(250 to 1,000\) \|/,
    );
    expect(rates).toMatch(/decode, 64 texts.* 64,000 \(32,000 to 128,000\)/);
    expect(rates).toMatch(/prompt of 4,096 \| {2}\| 204,800/);
    expect(costs).toContain("| `linear [1, 8]` | 28 | 100.0 | 50.0 |");
    expect(checked).toMatch(/4,096 positions .*largestDifference 0\.00001.*1\.50 s/);
  });

  it("tells tokens that are drawn beside the likeliest, by number of texts", () => {
    const row = { model: "qwen3-0.6b", batch: 64, context: [128, 256] };
    const sampled = [
      { ...row, drawn: "likeliest", stepUs: us(1000) },
      { ...row, drawn: "penalized", stepUs: us(2000) },
    ];
    const [, table] = endToEndSections([{ ...results, sampled }]);
    expect(table).toContain("| 64 | 64,000 (32,000 to 128,000) |  | 32,000 (16,000 to 64,000) |");
  });

  it("tells one text by each rounding, in a cache of its own and in pages", () => {
    const row = { model: "qwen3-0.6b", context: [128, 256] };
    const rounded = [
      { ...row, rounding: "hf", keys: "pages", stepUs: us(500) },
      { ...row, rounding: "once", keys: "together", stepUs: us(1000) },
    ];
    const [, table] = endToEndSections([{ ...results, rounded }]);
    expect(table).toContain("| Qwen3-0.6B | 1,000 (500 to 2,000) |  |  | 2,000 (1,000 to 4,000) |");
  });

  it("draws steps that were queued, of more than one number of texts", () => {
    expect(endToEndPlot(results)).toBe(null);
    const queued = results.decode.map((row) => ({ ...row, queued: true }));
    const { series } = endToEndPlot({ ...results, decode: queued });
    expect(series.map(({ points }) => points)).toEqual([
      [
        [1, 2000],
        [64, 64_000],
      ],
    ]);
  });
});
