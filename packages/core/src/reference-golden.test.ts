import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readSafetensors } from "../test/safetensors.ts";
import { encodeBf16, encodeF16, type FloatDtype } from "./float-format.ts";
import type { NormKind, NormRounding } from "./norm-spec.ts";
import { referenceNorm } from "./reference.ts";

interface Case {
  readonly name: string;
  readonly dtype: FloatDtype;
  readonly headDim: number;
  readonly tensors: string;
  readonly spec: { kind: NormKind; eps: number; weightOffset: 0 | 1; rounding: NormRounding };
}

const folder = new URL("../golden/", import.meta.url);
const golden = JSON.parse(readFileSync(new URL("norms.json", folder), "utf8")) as {
  shape: [number, number, string];
  zeroRow: [number, number];
  cases: Case[];
};
const tensor = readSafetensors(new URL("norms.safetensors", folder));
const heads = golden.shape[1];

// Both sides of a case: what PyTorch or transformers answered, and the reference on the same input.
function answers(c: Case): { theirs: Float64Array; ours: Float64Array } {
  const [x, theirs] = ["x", "y"].map((name) => tensor(`${c.tensors}/${name}`) as Float64Array);
  const [weight, bias] = ["weight", "bias"].map((name) => tensor(`${c.tensors}/${name}`));
  const spec = { ...c.spec, axis: "head", weight: weight ?? null, bias: bias ?? null } as const;
  const ours = referenceNorm({ x: x as Float64Array, heads, headDim: c.headDim, dtype: c.dtype, spec });
  return { theirs: theirs as Float64Array, ours };
}

const inDtype = (dtype: FloatDtype): Case[] => golden.cases.filter((c) => c.dtype === dtype);

describe("f32, where PyTorch computes in f32 and the reference in f64", () => {
  test.each(inDtype("f32").filter((c) => c.spec.kind !== "layer"))(
    "$tensors agrees within 2e-6 of every value",
    (c) => {
      const { theirs, ours } = answers(c);
      const worst = Math.max(
        ...ours.map((y, i) => (y === theirs[i] ? 0 : Math.abs(y - theirs[i]!) / Math.abs(y))),
      );
      expect(worst).toBeLessThan(2e-6);
    },
  );

  // Subtracting the mean, or adding a bias, cancels digits that f32 has already lost: a value near zero has no
  // relative accuracy in PyTorch itself. The row's largest value is the measure.
  test.each(inDtype("f32").filter((c) => c.spec.kind === "layer"))(
    "$tensors agrees within 2e-6 of its row's largest value",
    (c) => {
      const { theirs, ours } = answers(c);
      for (let start = 0; start < ours.length; start += c.headDim) {
        const row = ours.subarray(start, start + c.headDim);
        const largest = Math.max(...row.map(Math.abs));
        const worst = Math.max(...row.map((y, i) => Math.abs(y - theirs[start + i]!)));
        expect(worst).toBeLessThanOrEqual(2e-6 * largest);
      }
    },
  );
});

// Patterns as integers that count up through zero, so that neighbours differ by one.
function ordinal(dtype: FloatDtype, value: number): number {
  const pattern = dtype === "bf16" ? encodeBf16(value) : encodeF16(value);
  return pattern & 0x8000 ? -(pattern & 0x7fff) : pattern;
}

// How many elements are 0, 1, 2, ... units in the last place away.
function distances(c: Case): number[] {
  const { theirs, ours } = answers(c);
  const counts: number[] = [];
  ours.forEach((y, i) => {
    const ulps = Math.abs(ordinal(c.dtype, y) - ordinal(c.dtype, theirs[i]!));
    counts[ulps] = (counts[ulps] ?? 0) + 1;
  });
  return Array.from(counts, (count) => count ?? 0);
}

describe.each(["bf16", "f16"] as const)("%s", (dtype) => {
  test.each(inDtype(dtype))(
    "$tensors ($spec.rounding) equals on 99.9 % of elements and is never 2 ulp away",
    (c) => {
      const [equal, one = 0, ...further] = distances(c);
      expect(equal! / (equal! + one)).toBeGreaterThanOrEqual(0.999);
      expect(further).toEqual([]);
    },
  );
});

// An hf norm rounds in the middle, where a flip of transformers' own f32 could grow to 2 ulp; in these files none does.
test("in all, 9 of 163,200 16-bit elements differ, each by one ulp, one of them in hf rounding", () => {
  const count = (rounding: NormRounding): number[] =>
    golden.cases
      .filter((c) => c.dtype !== "f32" && c.spec.rounding === rounding)
      .map(distances)
      .reduce<number[]>((sum, counts) => counts.reduce((s, n, i) => s.with(i, s[i]! + n), sum), [0, 0, 0]);
  expect(count("once")).toEqual([130_552, 8, 0]);
  expect(count("hf")).toEqual([32_639, 1, 0]);
});

test("every family of the oracle is there, in three dtypes and three head dims, and its zero row stays without NaN", () => {
  expect(golden.cases).toHaveLength(10 * 3 * 3);
  for (const c of golden.cases) {
    const start = (golden.zeroRow[0] * heads + golden.zeroRow[1]) * c.headDim;
    const x = tensor(`${c.tensors}/x`) as Float64Array;
    expect(x.subarray(start, start + c.headDim).every((value) => value === 0)).toBe(true);
    expect(answers(c).ours.every(Number.isFinite)).toBe(true);
  }
});
