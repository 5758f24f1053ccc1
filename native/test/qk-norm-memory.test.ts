import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type NativeArray, type NormSide, type QkNormCall, qkNorm } from "../src/index.ts";
import {
  bitsOf,
  eachElement,
  filled,
  generatedCall,
  isas,
  missing,
  plainSide,
  randomFrom,
} from "./qk-norm-case.ts";

const D = 8;

describe.skipIf(missing)(`the memory around qkNorm${missing}`, () => {
  it("is left as it was: gaps, v, weights, and the input of a call that is not in place", () => {
    fc.assert(
      fc.property(generatedCall, ({ call, memory }) => {
        const before = memory.map((array) => array.slice());
        qkNorm(call);
        for (const side of call.sides) {
          const saved = before[memory.indexOf(side.output)]!;
          eachElement(call, side, "output", (index) => {
            side.output[index] = saved[index]!;
          });
        }
        expect(memory.map(bitsOf)).toEqual(before.map(bitsOf));
      }),
      { seed: 4, numRuns: 600 },
    );
  });

  it("is left as it was by a call of no tokens, and by a side of no heads", () => {
    for (const isa of isas) {
      const input = ramp(4 * D);
      const before = input.slice();
      const none = plainSide(input, 0, D);
      qkNorm({ dtype: "f32", headDim: D, tokens: 0, isa, sides: [plainSide(input, 4, D)] });
      qkNorm({
        dtype: "f32",
        headDim: D,
        tokens: 0,
        isa,
        sides: [plainSide(input, 4, D), plainSide(input, 4, D)],
      });
      qkNorm({ dtype: "f32", headDim: D, tokens: 1, isa, sides: [none, none] });
      expect(input).toEqual(before);
      qkNorm({ dtype: "f32", headDim: D, tokens: 1, isa, sides: [plainSide(input, 4, D), none] });
      expect(input).not.toEqual(before);
    }
  });

  it("may be shared between threads", () => {
    const shared = new Float32Array(new SharedArrayBuffer(2 * D * 4)).fill(3);
    qkNorm({ dtype: "f32", headDim: D, tokens: 1, sides: [plainSide(shared, 2, D, { eps: 0 })] });
    expect(shared).toEqual(new Float32Array(2 * D).fill(1));
  });

  it("may be the end of a buffer", () => {
    const buffer = new ArrayBuffer(3 * D * 4);
    const end = new Float32Array(buffer, D * 4).fill(-2);
    qkNorm({ dtype: "f32", headDim: D, tokens: 2, sides: [plainSide(end, 1, D, { eps: 0 })] });
    expect(end).toEqual(new Float32Array(2 * D).fill(-1));
    expect(new Float32Array(buffer, 0, D)).toEqual(new Float32Array(D));
  });

  describe("is refused when q and k, or an output and an input,", () => {
    const refused: [string, (array: NativeArray) => NormSide[]][] = [
      ["are the same", (a) => [plainSide(a, 2, D), plainSide(a, 2, D)]],
      ["share one element", (a) => [plainSide(a, 2, D), plainSide(a, 2, D, { inputOffset: 4 * D - 1 })]],
      ["share heads of packed tokens", (a) => [packed(a, 3, 0, 5 * D), packed(a, 2, 2 * D, 5 * D)]],
      [
        "share a token of packed tokens further on",
        (a) => [packed(a, 3, 0, 5 * D), packed(a, 3, 3 * D, 5 * D)],
      ],
      ["interleave by head, and overlap by one element", (a) => [interleaved(a, 0), interleaved(a, D - 1)]],
      ["walk with other strides and meet", (a) => [packed(a, 1, 0, 3 * D), packed(a, 1, D, 2 * D)]],
      [
        "are views of one buffer that meet",
        (a) => [plainSide(a, 1, D), plainSide(a.subarray(D, 4 * D), 1, D)],
      ],
      ["are one tensor in two layouts", (a) => [out(plainSide(a, 2, D), a, 1, 2 * D, D)]],
      ["are one tensor, transposed", (a) => [out(plainSide(a, 2, D), a, 0, D, 2 * D)]],
      [
        "cross, around the end of a token",
        (a) => [
          out(plainSide(ramp(64), 3, D), a, 0, 5 * D, D),
          out(packed(a, 3, 3 * D, 5 * D), ramp(64), 0, 3 * D, D),
        ],
      ],
      [
        "cross: one side's output is the other's input",
        (a) => [out(plainSide(ramp(64), 1, D), a, 0, D, D), out(plainSide(a, 1, D), ramp(64), 0, D, D)],
      ],
      ["has heads that overlap each other", (a) => [plainSide(a, 2, D, { inputHeadStride: D - 1 })]],
      ["has tokens that overlap each other", (a) => [plainSide(a, 2, D, { inputTokenStride: 2 * D - 1 })]],
      ["writes one row over and over", (a) => [out(plainSide(ramp(64), 1, D), a, 0, 0, 0)]],
      ["writes over its weight", (a) => [plainSide(a, 2, D, { weight: a.subarray(D, 2 * D) })]],
      [
        "writes over the other side's bias",
        (a) => [plainSide(a, 1, D), plainSide(ramp(64), 1, D, { bias: a.subarray(0, D) })],
      ],
    ];
    it.each(refused)("%s", (_, sidesOf) => {
      const array = ramp(12 * D);
      const before = array.slice();
      expect(() => call(sidesOf(array), 2)).toThrow(expect.objectContaining({ code: "ERR_QKNORM_OVERLAP" }));
      expect(array).toEqual(before);
    });
  });

  describe("is accepted when q and k", () => {
    const accepted: [string, (array: NativeArray) => NormSide[]][] = [
      ["are slices of packed tokens", (a) => [packed(a, 3, 0, 5 * D), packed(a, 2, 3 * D, 5 * D)]],
      ["are slices of packed tokens, k first", (a) => [packed(a, 3, 2 * D, 5 * D), packed(a, 2, 0, 5 * D)]],
      ["interleave by head", (a) => [interleaved(a, 0), interleaved(a, D)]],
      [
        "interleave with strides that have nothing in common",
        (a) => [strided(a, 0, 40, 11), strided(a, 22, 42, 9)],
      ],
      [
        "are read from slices and written to others of one buffer",
        (a) => [out(packed(a, 2, 0, 6 * D), a, 2 * D, 6 * D, D)],
      ],
      [
        "lie heads outside, tokens inside",
        (a) => [plainSide(a, 3, D, { inputTokenStride: D, inputHeadStride: 2 * D })],
      ],
      [
        "read one row again and again",
        (a) => [out(plainSide(a, 2, D, { inputTokenStride: 0, inputHeadStride: 0 }), ramp(64), 0, 2 * D, D)],
      ],
      ["have strides that are never walked", (a) => [plainSide(a, 1, D, { inputHeadStride: 2 ** 53 - 1 })]],
    ];
    it.each(accepted)("%s", (_, sidesOf) => {
      const array = ramp(12 * D);
      const sides = sidesOf(array);
      const separate = sides.map((side) => call([apart(side, 2)], 2));
      call(sides, 2);
      sides.forEach((side, i) => {
        expect(values(side, 2)).toEqual(values(separate[i]!.sides[0], 2));
      });
    });
  });

  it("is judged like a map of every byte would judge it, for random layouts", () => {
    const stride = fc.integer({ min: 0, max: 40 });
    const layout = fc.record({
      offset: fc.nat(60),
      token: stride,
      head: stride,
      heads: fc.integer({ min: 1, max: 4 }),
    });
    const verdicts = { accepted: 0, refused: 0 };
    fc.assert(
      fc.property(
        layout,
        layout,
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 9 }),
        (q, k, tokens, headDim) => {
          const array = ramp(400);
          const sides = [q, k].map((l) =>
            plainSide(array, l.heads, headDim, {
              inputOffset: l.offset,
              inputTokenStride: l.token,
              inputHeadStride: l.head,
            }),
          );
          const seen = new Set<number>();
          let rows = 0;
          const whole = {
            dtype: "f32",
            headDim,
            tokens,
            sides: sides as unknown as QkNormCall["sides"],
          } as const;
          for (const side of sides)
            eachElement(whole, side, "output", (index) => {
              seen.add(index);
              rows++;
            });
          const run = () => qkNorm(whole);
          if (seen.size === rows) {
            run();
            verdicts.accepted++;
          } else {
            expect(run).toThrow(expect.objectContaining({ code: "ERR_QKNORM_OVERLAP" }));
            verdicts.refused++;
          }
        },
      ),
      { seed: 6, numRuns: 4000 },
    );
    expect(Math.min(verdicts.accepted, verdicts.refused)).toBeGreaterThan(400);
  });
});

function ramp(length: number): NativeArray {
  const random = randomFrom(length);
  return filled("f32", length, () => random() - 0.5);
}

function packed(array: NativeArray, heads: number, inputOffset: number, inputTokenStride: number): NormSide {
  return plainSide(array, heads, D, { inputOffset, inputTokenStride });
}

function interleaved(array: NativeArray, inputOffset: number): NormSide {
  return plainSide(array, 2, D, { inputOffset, inputTokenStride: 6 * D, inputHeadStride: 3 * D });
}

function strided(
  array: NativeArray,
  inputOffset: number,
  inputTokenStride: number,
  inputHeadStride: number,
): NormSide {
  return plainSide(array, 2, D, { inputOffset, inputTokenStride, inputHeadStride });
}

function out(
  side: NormSide,
  output: NativeArray,
  outputOffset: number,
  token: number,
  head: number,
): NormSide {
  return { ...side, output, outputOffset, outputTokenStride: token, outputHeadStride: head };
}

function call(sides: readonly NormSide[], tokens: number): QkNormCall {
  const made = { dtype: "f32", headDim: D, tokens, sides: sides as unknown as QkNormCall["sides"] } as const;
  qkNorm(made);
  return made;
}

// The same rows, out of place into memory of their own.
function apart(side: NormSide, tokens: number): NormSide {
  return out(side, new Float32Array(tokens * side.heads * D), 0, side.heads * D, D);
}

function values(side: NormSide, tokens: number): number[] {
  const found: number[] = [];
  const shape = { dtype: "f32", headDim: D, tokens, sides: [side] } as const;
  eachElement(shape, side, "output", (index) => found.push(side.output[index]!));
  return found;
}
