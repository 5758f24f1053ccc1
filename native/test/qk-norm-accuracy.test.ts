import type { FloatDtype } from "@qknorm/core";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NormSide, type QkNormCall, qkNorm } from "../src/index.ts";
import {
  allocate,
  dtypes,
  expectedOf,
  filled,
  generatedCall,
  isas,
  kinds,
  measure,
  missing,
  noDistance,
  plainSide,
  randomFrom,
  roundings,
  write,
} from "./qk-norm-case.ts";

describe.skipIf(missing)(`qkNorm against the f64 reference${missing}`, () => {
  it("stays within 2e-6 in f32, and within one unit in the last place in bf16 and f16, whatever it is asked", () => {
    const distances = { f32: noDistance(), bf16: noDistance(), f16: noDistance() };
    fc.assert(
      fc.property(generatedCall, ({ call }) => {
        const expected = call.sides.map((side) => expectedOf(call, side));
        qkNorm(call);
        call.sides.forEach((side, i) => {
          const distance = noDistance();
          measure(call, side, expected[i]!, distance);
          expect(distance.relative).toBeLessThanOrEqual(2e-6);
          expect(distance.ulps).toBeLessThanOrEqual(1);
          distances[call.dtype].elements += distance.elements;
          distances[call.dtype].equal += distance.equal;
        });
      }),
      { seed: 1, numRuns: 1500 },
    );
    for (const dtype of ["bf16", "f16"] as const) {
      expect(distances[dtype].elements).toBeGreaterThan(300_000);
      expect(distances[dtype].equal / distances[dtype].elements).toBeGreaterThanOrEqual(0.999);
    }
  });

  // Two roundings: an intermediate value on the wrong side of a boundary ends up two units away, so none may be.
  for (const dtype of ["bf16", "f16"] as const) {
    for (const rounding of roundings) {
      it(`gives exactly the reference's ${dtype} for a million elements, rounding ${rounding}, on each instruction set`, () => {
        const { call, side } = million(dtype, rounding);
        const expected = expectedOf(call, side);
        expect(expected.length).toBeGreaterThanOrEqual(1_000_000);
        for (const isa of isas) {
          const output = allocate(dtype, side.input.length);
          qkNorm({ ...call, isa, sides: [{ ...side, output }] });
          const distance = noDistance();
          measure(call, { ...side, output }, expected, distance);
          expect(distance.ulps, isa).toBe(0);
          expect(distance.equal, isa).toBe(distance.elements);
        }
      });
    }
  }

  for (const isa of isas) {
    for (const dtype of dtypes) {
      it(`gives NaN and infinity where the reference does, in ${dtype} on ${isa}`, () => {
        const specials = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 0, -0, 1, -2.5];
        for (const kind of kinds) {
          for (const rounding of roundings) {
            for (const place of ["input", "weight", "bias"] as const) {
              for (const special of specials) {
                const call = withSpecial(dtype, place, special, { kind, rounding });
                expectReference({ ...call, isa }, `${kind} ${rounding} ${special} in ${place}`);
              }
            }
          }
        }
      });

      it(`divides zero by zero as the reference does, in ${dtype} on ${isa}`, () => {
        for (const kind of kinds) {
          for (const eps of [0, 1e-6]) {
            const input = allocate(dtype, 3 * 40);
            for (let i = 0; i < 40; i++) write(dtype, input, 40 + i, 3); // a constant row: no deviation either
            const call = {
              dtype,
              headDim: 40,
              tokens: 3,
              isa,
              sides: [plainSide(input, 1, 40, { kind, eps })],
            } as const;
            expectReference(call, `${kind}, eps ${eps}`);
          }
        }
      });

      it(`follows the reference to the ends of the range, in ${dtype} on ${isa}`, () => {
        const random = randomFrom(7);
        const [least, most] = dtype === "f16" ? [-24, 15] : dtype === "bf16" ? [-133, 127] : [-149, 127];
        for (const rounding of roundings) {
          for (let exponent = least!; exponent <= most!; exponent += 3) {
            for (const weightExponent of [-130, -70, -20, 0, 20, 70, 120]) {
              const input = filled(dtype, 2 * 72, () => (random() - 0.5) * 2 ** (exponent - 12 * random()));
              const weight = filled("f32", 72, () => (random() + 0.5) * 2 ** weightExponent);
              const side = plainSide(input, 2, 72, { weight, rounding, eps: exponent % 2 === 0 ? 0 : 1e-6 });
              const call: QkNormCall = { dtype, headDim: 72, tokens: 1, sides: [side], isa };
              const expected = expectedOf(call, side);
              qkNorm(call);
              const distance = noDistance();
              measure(call, side, expected, distance);
              const what = `2^${exponent}, weights of 2^${weightExponent}, ${rounding}`;
              expect(distance.ulps, what).toBeLessThanOrEqual(1);
              // Subnormal f32 results have few bits: the reference's own roundings are the measure there.
              if (dtype === "f32" && exponent > -100 && weightExponent > -70)
                expect(distance.relative, what).toBeLessThanOrEqual(2e-6);
            }
          }
        }
      });
    }
  }

  // Long rows make sums of many terms, and weights differ along the whole row.
  for (const [heads, headDim] of [
    [8, 80],
    [32, 128],
    [256, 128],
  ] as const) {
    it(`gives exactly the reference's bf16 and f16 for rows across ${heads} heads, on each instruction set`, () => {
      const random = randomFrom(17);
      const spread = () => random() + random() + random() - 1.5;
      for (const dtype of dtypes) {
        for (const kind of ["rms", "layer"] as const) {
          for (const rounding of roundings) {
            const weight = filled(dtype, heads * headDim, () => random() - 0.5);
            const options = {
              axis: "row",
              kind,
              rounding,
              weight,
              weightDtype: dtype,
              weightOffset: 1,
            } as const;
            const q = plainSide(filled(dtype, 4 * heads * headDim, spread), heads, headDim, options);
            const shared = {
              weight: weight.slice(0, headDim),
              weightHeadStride: 0,
              rounding: "once",
            } as const;
            const k = plainSide(filled(dtype, 4 * headDim, spread), 1, headDim, { ...options, ...shared });
            const call: QkNormCall = { dtype, headDim, tokens: 4, sides: [q, k] };
            const expected = call.sides.map((side) => expectedOf(call, side));
            for (const isa of isas) {
              const apart = (side: NormSide) => ({ ...side, output: allocate(dtype, side.input.length) });
              const sides = [apart(q), apart(k)] as const;
              qkNorm({ ...call, isa, sides });
              sides.forEach((side, i) => {
                const distance = noDistance();
                measure(call, side, expected[i]!, distance);
                expect(distance.relative, isa).toBeLessThanOrEqual(2e-6);
                if (dtype !== "f32") expect(distance.equal, isa).toBe(distance.elements);
              });
            }
          }
        }
      }
    });
  }

  it("takes a row as long as a hidden size, and one that is a single element", () => {
    const random = randomFrom(11);
    for (const headDim of [1, 7, 1024, 5120, 65536]) {
      for (const dtype of dtypes) {
        for (const isa of isas) {
          const input = filled(dtype, 3 * headDim, () => random() - 0.5);
          const weight = filled("bf16", headDim, () => random() + 0.5);
          const side = plainSide(input, 1, headDim, { weight, weightDtype: "bf16" });
          const call: QkNormCall = { dtype, headDim, tokens: 3, sides: [side], isa };
          const expected = expectedOf(call, side);
          qkNorm(call);
          const distance = noDistance();
          measure(call, side, expected, distance);
          expect(distance.relative).toBeLessThanOrEqual(2e-6);
          expect(distance.ulps).toBe(0);
        }
      }
    }
  });
});

function million(dtype: "bf16" | "f16", rounding: "once" | "hf") {
  const random = randomFrom(20260101);
  const [tokens, heads, headDim] = [1000, 8, 128];
  const input = filled(dtype, tokens * heads * headDim, () => random() + random() + random() - 1.5);
  const weight = filled(dtype, headDim, () => random() + 0.5);
  const side = plainSide(input, heads, headDim, { weight, weightDtype: dtype, rounding });
  const call: QkNormCall = { dtype, headDim, tokens, sides: [side] };
  return { call, side };
}

function withSpecial(
  dtype: FloatDtype,
  place: "input" | "weight" | "bias",
  special: number,
  spec: Partial<NormSide>,
): QkNormCall {
  const random = randomFrom(3);
  const headDim = 40; // one whole group of lanes and a part of one
  const input = filled(dtype, 2 * headDim, () => random() - 0.5);
  const weight = filled("f32", headDim, () => random() + 0.5);
  const bias = filled("f32", headDim, () => random() - 0.5);
  if (place === "input") write(dtype, input, 3, special);
  else (place === "weight" ? weight : bias)[5] = special;
  const side = plainSide(input, 2, headDim, { weight, bias: place === "bias" ? bias : null, ...spec });
  return { dtype, headDim, tokens: 1, sides: [side] };
}

// bf16 and f16: equal bits, one NaN for all. f32: within the bound, and NaN, infinity and signs of zero equal.
function expectReference(call: QkNormCall, what: string): void {
  const [side] = call.sides;
  const expected = expectedOf(call, side);
  qkNorm(call);
  const distance = noDistance();
  measure(call, side, expected, distance);
  if (call.dtype === "f32") expect(distance.relative, what).toBeLessThanOrEqual(2e-6);
  else expect(distance.equal, what).toBe(distance.elements);
}
