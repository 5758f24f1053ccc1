import { describe, expect, it } from "vitest";
import { judge } from "./judge.ts";
import { type FormChoice, NormCase } from "./norm-case.ts";

const forms: FormChoice[] = [
  {},
  { dtype: "f16", weight: "f16", kind: "layer", bias: "f16", rounding: "hf" },
  { dtype: "f32", weight: "f32", kind: "l2" },
];

describe.each(forms)("the judge of the GPU tests, on $dtype $kind $rounding", (form) => {
  const one = new NormCase(form, { tokens: 5, heads: [3, 2] });
  const expected = one.expected();
  const q = 64;
  const v = 64 + 5 * 128;

  it("takes the formula's own results", () => {
    expect(judge(one, expected.slice())).toBe("");
  });

  it("finds one element that is off", () => {
    const after = expected.slice();
    after[q + 3] = (after[q + 3] as number) + (form.dtype === "f32" ? 64 : 3);
    expect(judge(one, after)).toMatch(/^element 67 is .*, the formula's /);
  });

  it("finds one bit outside of q and k", () => {
    const after = expected.slice();
    after[v] = (after[v] as number) ^ 1;
    expect(judge(one, after)).toBe(`element ${v} was written, and is neither q's nor k's`);
  });

  it("finds a row that was left out", () => {
    const left = expected.slice();
    left.set(one.before.subarray(q, q + 128), q);
    expect(judge(one, left)).toMatch(/^element \d+ is/);
  });
});

describe("the judge of the GPU tests", () => {
  it("finds a format's last step in too many elements", () => {
    const one = new NormCase({}, { tokens: 50, heads: [3, 2] });
    const after = one.expected();
    const owned = one.owned();
    for (let i = 64; i < after.length; i += 97) {
      if (owned[i] === 1) after[i] = (after[i] as number) + 1;
    }
    expect(judge(one, after)).toMatch(/^\d+ of 32000 elements differ$/);
  });

  it("takes what a few roundings of f32 do to an f32 result, also with rounding hf, and no more", () => {
    for (const rounding of ["once", "hf"] as const) {
      const one = new NormCase({ dtype: "f32", weight: "f32", rounding }, { tokens: 5, heads: [3, 2] });
      const owned = one.owned();
      for (const [last, fault] of [
        [1, /^$/],
        [-4, /^$/],
        [40, /^element \d+ is/],
      ] as const) {
        const after = one.expected();
        for (let i = 0; i < after.length; i++) if (owned[i] === 1) after[i] = (after[i] as number) + last;
        expect(judge(one, after)).toMatch(fault);
      }
    }
  });

  it("takes both sides of a tie with rounding hf, and nothing further", () => {
    const one = new NormCase({ rounding: "hf", weight: "f32" }, { tokens: 400, heads: [3, 2] });
    const owned = one.owned();
    const two = Array.from(one.before.keys()).find((i) => owned[i] === 1 && one.candidates(i).length === 2);
    expect(two).toBeDefined();
    const [a, b] = one.candidates(two as number).map(({ value }) => value) as [number, number];
    expect(Math.abs(a - b) / Math.abs(a)).toBeLessThan(2 ** -6);
  });
});
