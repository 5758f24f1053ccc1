import { type FloatDtype, referenceNorm, roundTo } from "@qknorm/core";
import { expect } from "vitest";
import type { Tensor } from "../src/index.ts";
import type { Spec } from "./qk-norm-cases.ts";

/** What was normalised: the values of `[..., H, D]` before, and how. */
export interface NormedRows {
  readonly x: Float64Array;
  readonly heads: number;
  readonly headDim: number;
  readonly dtype: FloatDtype;
  readonly spec: Spec;
}

/** A range of values: rounding is monotonic, so it maps ranges to ranges. */
type Range = readonly [low: number, high: number];

/** Sums, root and products in f32 leave a normalised value this far off, relative to what was added up. */
const slack = 1e-6;
/** One more operation in f32. */
const step = 2 ** -23;

/**
 * Holds results to what the formula allows when its sums and products are those of f32, or better: each element lies in
 * the range that such errors open, rounded wherever the formula rounds. Nearly always that range is a single value; near
 * a tie it is both neighbours, and whatever follows from either.
 */
export class NormBounds {
  #seen = 0;
  #equal = 0;

  add(out: Tensor, rows: NormedRows): void {
    const got = out.toNumbers();
    const exact = referenceNorm({ ...rows, spec: withNumbers(rows.spec) });
    const ranges = rangesOf(rows);
    expect(got).toHaveLength(exact.length);
    for (let i = 0; i < got.length; i++) {
      const [low, high] = ranges(i);
      const value = got[i] as number;
      if (rows.dtype !== "f32") {
        this.#seen++;
        if (value === exact[i]) this.#equal++;
      }
      if (!(value >= low && value <= high)) {
        expect.fail(
          `element ${i} of ${rows.dtype} [${out.shape}] is ${value}, exactly ${exact[i]}, within ${low} to ${high}`,
        );
      }
    }
  }

  /** Expects that 99.5 % of the 16-bit elements are the exact ones. */
  check(): void {
    expect(this.#seen).toBeGreaterThan(0);
    expect(this.#equal / this.#seen).toBeGreaterThanOrEqual(0.995);
  }
}

function withNumbers(spec: Spec) {
  return { ...spec, weight: spec.weight?.toNumbers() ?? null, bias: spec.bias?.toNumbers() ?? null };
}

function rangesOf({ x, heads, headDim, dtype, spec }: NormedRows): (i: number) => Range {
  const plain = { ...spec, weight: null, bias: null, rounding: "once", weightOffset: 0 } as const;
  const n = referenceNorm({ x, heads, headDim, dtype: "f64", spec: plain });
  const { weight, bias } = withNumbers(spec);
  const hf = spec.rounding === "hf";
  const round = (range: Range): Range => [roundTo(dtype, range[0]), roundTo(dtype, range[1])];
  const off = spec.kind === "layer" ? meanSlack(x, n, headDim) : () => 0;

  return (i) => {
    const value = n[i] as number;
    const error = slack * Math.abs(value) + off(i);
    let range: Range = [value - error, value + error];
    if (hf) range = round(range);
    if (weight !== null) range = times(range, spec.weightOffset + at(weight, i, heads, headDim));
    if (bias !== null) range = plus(hf ? round(range) : range, at(bias, i, heads, headDim));
    const result = round(range);
    return dtype === "f32" ? wider(result, Math.max(Math.abs(result[0]), Math.abs(result[1]))) : result;
  };
}

/** How far the mean may be off, as normalised: relative to the values that it is the mean of. */
function meanSlack(x: Float64Array, n: Float64Array, headDim: number): (i: number) => number {
  const ofRow = Array.from({ length: x.length / headDim }, (_, row) => {
    const [values, normed] = [x, n].map((all) => all.subarray(row * headDim, (row + 1) * headDim));
    const largest = Math.max(...values!.map(Math.abs));
    const spread = Math.max(...values!) - Math.min(...values!);
    return spread === 0 ? 0 : (slack * largest * (Math.max(...normed!) - Math.min(...normed!))) / spread;
  });
  return (i) => ofRow[Math.floor(i / headDim)] as number;
}

function times([low, high]: Range, gain: number): Range {
  const [a, b] = [low * gain, high * gain];
  return wider([Math.min(a, b), Math.max(a, b)], Math.max(Math.abs(a), Math.abs(b)));
}

function plus([low, high]: Range, bias: number): Range {
  return wider([low + bias, high + bias], Math.max(Math.abs(low), Math.abs(high)) + Math.abs(bias));
}

function wider([low, high]: Range, magnitude: number): Range {
  return [low - step * magnitude, high + step * magnitude];
}

/** `[D]` serves every head, `[H, D]` one each. */
function at(values: Float64Array, i: number, heads: number, headDim: number): number {
  return values[values.length === headDim ? i % headDim : i % (heads * headDim)] as number;
}
