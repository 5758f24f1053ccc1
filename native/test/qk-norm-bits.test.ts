import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NativeArray, type NormSide, type QkNormCall, qkNorm } from "../src/index.ts";
import {
  allocate,
  bitsOf,
  dtypes,
  filled,
  type GeneratedCall,
  generatedCall,
  isas,
  kinds,
  missing,
  plainSide,
  randomFrom,
  roundings,
} from "./qk-norm-case.ts";

describe.skipIf(missing)(`the bits of qkNorm${missing}`, () => {
  it("are the same on every instruction set", () => {
    fc.assert(
      fc.property(generatedCall, ({ call, memory }) => {
        const before = copies(memory);
        const results = isas.map((isa) => {
          restore(memory, before);
          qkNorm({ ...call, isa });
          return copies(memory).map(bitsOf);
        });
        for (const result of results) expect(result).toEqual(results[0]);
      }),
      { seed: 2, numRuns: 600 },
    );
  });

  it("are the same on every instruction set for a million elements of random bits, NaN and subnormals among them", () => {
    for (const dtype of dtypes) {
      const random = randomFrom(5);
      const source = allocate(dtype, 2 ** 20);
      const pattern = bitsOf(source);
      const most = dtype === "f32" ? 2 ** 32 : 2 ** 16;
      for (let i = 0; i < pattern.length; i++) pattern[i] = Math.floor(random() * most);
      // Random exponents make rows of one large value; a row of few exponents has many values near a boundary.
      const exponent = dtype === "f16" ? 0x3c00 : dtype === "bf16" ? 0x3f80 : 0x3f800000;
      const sign = dtype === "f32" ? 0x80000000 : 0x8000;
      for (let i = pattern.length / 2; i < pattern.length; i++)
        pattern[i] = (pattern[i]! & (exponent / 8 - 1)) | exponent | (pattern[i]! & sign);
      for (const rounding of roundings) {
        for (const kind of kinds) {
          const weight = filled("bf16", 64, () => random() * 2 - 1);
          const results = isas.map((isa) => {
            const input = source.slice();
            const side = plainSide(input, 1, 64, { weight, weightDtype: "bf16", kind, rounding });
            qkNorm({ dtype, headDim: 64, tokens: input.length / 64, sides: [side], isa });
            return Buffer.from(input.buffer);
          });
          for (const result of results)
            expect(result.equals(results[0]!), `${dtype} ${kind} ${rounding}`).toBe(true);
        }
      }
    }
  });

  it("are the same on every instruction set even where the order of additions shows", () => {
    // Large values that cancel leave a mean that is all rounding error, and small values show it.
    const random = randomFrom(13);
    for (const headDim of [33, 64, 128, 200]) {
      const values = Array.from({ length: 64 }, () => cancellingRow(headDim, random)).flat();
      const results = isas.map((isa) => {
        const input = Float32Array.from(values);
        qkNorm({
          dtype: "f32",
          headDim,
          tokens: 64,
          isa,
          sides: [plainSide(input, 1, headDim, { kind: "layer" })],
        });
        return input;
      });
      for (const result of results) expect(bitsOf(result)).toEqual(bitsOf(results[0]!));
    }
  });

  it("of a row do not depend on the rows around it", () => {
    fc.assert(
      fc.property(generatedCall, fc.nat(), (generated, pick) => {
        const { call, memory } = generated;
        const before = copies(memory);
        qkNorm(call);
        const together = copies(memory);
        restore(memory, before);
        for (const single of oneRowAtATime(call, pick)) qkNorm(single);
        expect(memory.map(bitsOf)).toEqual(together.map(bitsOf));
      }),
      { seed: 3, numRuns: 600 },
    );
  });

  it("of a token are the same alone on one thread as among thousands on all of them", () => {
    for (const dtype of dtypes) {
      for (const isa of isas) {
        const random = randomFrom(9);
        const [tokens, heads, headDim] = [1024, 5, 128];
        const input = filled(dtype, tokens * heads * headDim, () => random() - 0.5);
        const weight = filled("f32", headDim, () => random() + 0.5);
        const alone = input.slice();
        qkNorm({ dtype, headDim, tokens, isa, sides: [plainSide(input, heads, headDim, { weight })] });
        for (let token = 0; token < tokens; token++) {
          const offset = { inputOffset: token * heads * headDim };
          qkNorm({
            dtype,
            headDim,
            tokens: 1,
            isa,
            sides: [plainSide(alone, heads, headDim, { weight, ...offset })],
          });
        }
        expect(Buffer.from(alone.buffer).equals(Buffer.from(input.buffer)), `${dtype} ${isa}`).toBe(true);
      }
    }
  });
});

function cancellingRow(headDim: number, random: () => number): number[] {
  const row = Array.from({ length: headDim }, (_, i) => (i % 3 === 0 ? random() - 0.5 : 0));
  for (let i = 1; i + 1 < headDim; i += 3) {
    row[i] = Math.fround((random() + 1) * 2 ** (40 + 20 * random()));
    row[i + 1] = -row[i]!;
  }
  return row
    .map((value) => ({ value, key: random() }))
    .sort((a, b) => a.key - b.key)
    .map(({ value }) => value);
}

function copies(memory: GeneratedCall["memory"]): NativeArray[] {
  return memory.map((array) => array.slice());
}

function restore(memory: GeneratedCall["memory"], saved: readonly NativeArray[]): void {
  memory.forEach((array, i) => {
    array.set(saved[i]!);
  });
}

// Every row of the call as a call of its own, starting anywhere: neighbours, sides and order must not matter.
function oneRowAtATime(call: QkNormCall, pick: number): QkNormCall[] {
  const calls: QkNormCall[] = [];
  for (const side of call.sides)
    for (let t = 0; t < call.tokens; t++)
      for (let h = 0; h < (side.axis === "row" ? 1 : side.heads); h++)
        calls.push({ ...call, tokens: 1, sides: [rowOf(side, t, h)] });
  const start = pick % calls.length;
  return [...calls.slice(start), ...calls.slice(0, start)].reverse();
}

function rowOf(side: NormSide, token: number, head: number): NormSide {
  const part = (vector: NativeArray | null, headStride: number) =>
    vector && (headStride === 0 ? vector : vector.subarray(head * headStride, (head + 1) * headStride));
  return {
    ...side,
    heads: side.axis === "row" ? side.heads : 1,
    inputOffset: side.inputOffset + token * side.inputTokenStride + head * side.inputHeadStride,
    outputOffset: side.outputOffset + token * side.outputTokenStride + head * side.outputHeadStride,
    weight: part(side.weight, side.weightHeadStride),
    weightHeadStride: 0,
    bias: part(side.bias, side.biasHeadStride),
    biasHeadStride: 0,
  };
}
