import { roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type RopeCall, rope, setThreadCount } from "../src/index.ts";
import { anyDtype, anyRounding, codeOf, Guarded, gauss } from "./ops-case.ts";
import { isas, missing, write } from "./qk-norm-case.ts";

interface Choice {
  seed: number;
  dtype: "f32" | "bf16" | "f16";
  tokens: number;
  heads: number;
  half: number;
  rest: number;
  layout: "halves" | "interleaved";
  rounding: "once" | "hf";
}

const anyChoice: fc.Arbitrary<Choice> = fc.record({
  seed: fc.nat(),
  dtype: anyDtype,
  tokens: fc.oneof(fc.integer({ min: 1, max: 5 }), fc.constant(70)),
  heads: fc.integer({ min: 1, max: 4 }),
  half: fc.oneof(fc.integer({ min: 0, max: 40 }), fc.constant(64)),
  rest: fc.integer({ min: 0, max: 20 }),
  layout: fc.constantFrom("halves", "interleaved"),
  rounding: anyRounding,
});

function build({ seed, dtype, tokens, heads, half, rest, layout, rounding }: Choice) {
  const value = gauss(seed);
  const tableRows = 11;
  const x = new Guarded(dtype, tokens, heads, 2 * half + rest, value).remember();
  const cos = Float32Array.from({ length: 3 + tableRows * half }, (_, i) => Math.cos(i * 0.37));
  const sin = Float32Array.from({ length: 5 + tableRows * half }, (_, i) => Math.sin(i * 0.37));
  const positions = Int32Array.from({ length: tokens + 2 }, (_, i) => (i * 7) % tableRows);
  const call: RopeCall = {
    ...{
      dtype,
      tokens,
      heads,
      headDim: 2 * half + rest,
      rotaryDim: 2 * half,
      x,
      cos,
      sin,
      tableRows,
      positions,
    },
    ...{ cosOffset: 3, sinOffset: 5, positionsOffset: 2, layout, rounding },
  };
  return { call, x };
}

/** f32 arithmetic step by step: a product of two f32 is exact in f64, so `Math.fround` rounds it once. */
function expectedBits({ call, x }: ReturnType<typeof build>) {
  const half = call.rotaryDim / 2;
  const step = (value: number) =>
    call.rounding === "hf" ? roundTo(call.dtype, Math.fround(value)) : Math.fround(value);
  const copy = new Guarded(x.dtype, x.tokens, x.heads, x.row, () => 0);
  copy.data.set(x.data);
  for (let t = 0; t < x.tokens; t++) {
    for (let h = 0; h < x.heads; h++) {
      for (let i = 0; i < half; i++) {
        const [at, to] = call.layout === "halves" ? [i, half + i] : [2 * i, 2 * i + 1];
        const [a, b] = [x.get(t, h, at), x.get(t, h, to)];
        const row = call.positions[2 + t]! * half + i;
        const [cos, sin] = [step(call.cos[3 + row]!), step(call.sin[5 + row]!)];
        write(x.dtype, copy.data, x.at(t, h, at), Math.fround(step(a * cos) - step(b * sin)));
        write(x.dtype, copy.data, x.at(t, h, to), Math.fround(step(b * cos) + step(a * sin)));
      }
    }
  }
  return copy.allBits();
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`rope${missing}`, () => {
  it("gives the bits of step-by-step f32 arithmetic on every instruction set, and turns only what it should", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        for (const isa of isas) {
          for (const threads of [1, 3]) {
            const made = build(choice);
            const expected = expectedBits(made);
            setThreadCount(threads);
            rope({ ...made.call, isa });
            expect(made.x.allBits()).toEqual(expected);
            made.x.expectUntouched(made.call.headDim);
          }
        }
      }),
      { numRuns: 80 },
    );
  });

  it("keeps a NaN in its pair", () => {
    for (const isa of isas) {
      const made = build({
        ...{
          seed: 1,
          dtype: "bf16",
          tokens: 2,
          heads: 2,
          half: 20,
          rest: 0,
          layout: "halves",
          rounding: "hf",
        },
      });
      made.x.set(1, 1, 18, Number.NaN);
      rope({ ...made.call, isa });
      for (let i = 0; i < 40; i++) expect(Number.isNaN(made.x.get(1, 1, i))).toBe(i === 18 || i === 38);
    }
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const made = build({
      ...{
        seed: 2,
        dtype: "bf16",
        tokens: 3,
        heads: 2,
        half: 4,
        rest: 2,
        layout: "halves",
        rounding: "once",
      },
    });
    const code = (change: object) => codeOf(() => rope({ ...made.call, ...change } as RopeCall));
    expect(code({ rotaryDim: 7 })).toBe("ERR_QKNORM_SHAPE");
    expect(code({ rotaryDim: 12 })).toBe("ERR_QKNORM_SHAPE");
    expect(code({ tokens: 4 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ tokens: 2 ** 50 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ heads: 2 ** 50 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ tableRows: 1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ tableRows: 12 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ positions: new Int32Array([0, 0, 1, -1, 2]) })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ positions: new Uint32Array(5) })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ cos: new Float64Array(99) })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ sinOffset: 6 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ layout: "spiral" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(
      code({ x: { ...made.x, data: made.x.data, offset: made.x.offset, tokenStride: 5, headStride: 5 } }),
    ).toBe("ERR_QKNORM_LAYOUT");
    made.x.expectUntouched();
  });
});
