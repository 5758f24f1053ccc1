// What a sequence carries along: causalConv and gatedDeltaRule. Their formulas are held to a plain statement in
// packages/tensor/test/recurrence.test.ts.
import { roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CausalConvCall,
  type CpuIsa,
  causalConv,
  type DeltaOperand,
  type GatedDeltaRuleCall,
  gatedDeltaRule,
  setThreadCount,
} from "../src/index.ts";
import { anyDtype, anyRounding, codeOf, Guarded, gauss } from "./ops-case.ts";
import { bitsOf, isas, missing } from "./qk-norm-case.ts";

/** Runs a fresh call in every way that may not change a bit, and returns what it wrote, which was the same each time. */
function inEveryWay(run: (way: { isa: CpuIsa }) => Guarded[]) {
  const results = isas.flatMap((isa) =>
    [1, 3].map((threads) => {
      setThreadCount(threads);
      const written = run({ isa });
      for (const one of written) one.expectUntouched(one.row);
      return written;
    }),
  );
  for (const result of results)
    expect(result.map((x) => x.allBits())).toEqual(results[0]!.map((x) => x.allBits()));
  return results[0]!;
}

const anyConv = fc.record({
  ...{ seed: fc.nat(), dtype: anyDtype, weightDtype: anyDtype, biased: fc.boolean() },
  tokens: fc.integer({ min: 1, max: 6 }),
  channels: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(256, 300, 700)),
  taps: fc.integer({ min: 1, max: 5 }),
});

type ConvChoice = typeof anyConv extends fc.Arbitrary<infer T> ? T : never;

function conv({ seed, dtype, weightDtype, biased, tokens, channels, taps }: ConvChoice) {
  const value = gauss(seed);
  const dense = (of: typeof dtype, rows: number, width: number) =>
    new Guarded(of, 1, 1, rows * width, value).remember();
  const x = new Guarded(dtype, tokens, 1, channels, value);
  const weight = dense(weightDtype, channels, taps);
  const bias = biased ? dense("f32", 1, channels) : null;
  const [state, out] = [dense(dtype, taps - 1, channels), dense(dtype, tokens, channels)];
  const call: CausalConvCall = { tokens, channels, taps, x, weight, bias, state, out };
  return { call, x, weight, bias, state, out };
}

const anyDelta = fc.record({
  ...{ seed: fc.nat(), dtype: anyDtype, keyDtype: anyDtype, gateDtype: anyDtype, rounding: anyRounding },
  tokens: fc.integer({ min: 1, max: 5 }),
  ...{ keyHeads: fc.integer({ min: 1, max: 3 }), group: fc.integer({ min: 1, max: 3 }) },
  ...{ keyDim: fc.integer({ min: 1, max: 40 }), valueDim: fc.oneof(fc.integer({ min: 1, max: 70 })) },
});

type DeltaChoice = typeof anyDelta extends fc.Arbitrary<infer T> ? T : never;

function delta(choice: DeltaChoice) {
  const { seed, dtype, keyDtype, gateDtype, rounding, tokens, keyHeads, group, keyDim, valueDim } = choice;
  const heads = keyHeads * group;
  const value = gauss(seed);
  const of = (one: typeof dtype, count: number, row: number, length = tokens): Guarded & DeltaOperand =>
    new Guarded(one, length, count, row, value);
  const perHead = () => ({
    ...{ data: of("f32", heads, 1, 1).data, dtype: "f32" as const },
    offset: 1,
    headStride: 1,
  });
  const state = new Guarded("f32", 1, 1, heads * keyDim * valueDim, value).remember();
  const out = new Guarded(dtype, 1, 1, tokens * heads * valueDim, value, 0).remember();
  const call: GatedDeltaRuleCall = {
    ...{ tokens, keyHeads, heads, keyDim, valueDim, scale: keyDim ** -0.5, rounding },
    ...{
      q: of(keyDtype, keyHeads, keyDim),
      k: of(keyDtype, keyHeads, keyDim),
      v: of(dtype, heads, valueDim),
    },
    ...{ a: of(gateDtype, heads, 1), b: of(gateDtype, heads, 1) },
    ...{ aLog: { ...perHead(), tokenStride: 0 }, dtBias: { ...perHead(), tokenStride: 0 } },
    ...{ state: { data: state.data as Float32Array, offset: state.offset }, out: out.data.subarray(1) },
  };
  return { call, state, out };
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`recurrences${missing}`, () => {
  it("causalConv rounds f64 sums once on every instruction set, and moves the bits of its last rows into the state", () => {
    fc.assert(
      fc.property(anyConv, (choice) => {
        const { dtype, tokens, channels, taps } = choice;
        const [out, state] = inEveryWay((way) => {
          const made = conv(choice);
          causalConv({ ...made.call, ...way });
          return [made.out, made.state];
        }) as [Guarded, Guarded];
        const before = conv(choice);
        const z = (i: number, c: number): number =>
          i < taps - 1 ? before.state.get(0, 0, i * channels + c) : before.x.get(i - taps + 1, 0, c);
        for (let c = 0; c < channels; c++) {
          for (let t = 0; t < tokens; t++) {
            let sum = before.bias?.get(0, 0, c) ?? 0;
            for (let j = 0; j < taps; j++) sum += before.weight.get(0, 0, c * taps + j) * z(t + j, c);
            expect(out.get(0, 0, t * channels + c)).toBe(roundTo(dtype, sum));
          }
          for (let j = 0; j < taps - 1; j++) expect(state.get(0, 0, j * channels + c)).toBe(z(tokens + j, c));
        }
      }),
      { numRuns: 60 },
    );
  });

  it("gatedDeltaRule gives the same bits on every instruction set and number of threads, and touches nothing else", () => {
    fc.assert(
      fc.property(anyDelta, (choice) => {
        inEveryWay((way) => {
          const made = delta(choice);
          gatedDeltaRule({ ...made.call, ...way });
          return [made.state, made.out];
        });
      }),
      { numRuns: 100 },
    );
  });

  it("gives a token the bits that it has in a longer piece, and threads change none of a long one", () => {
    const choice: DeltaChoice = {
      ...{ seed: 3, dtype: "bf16", keyDtype: "f32", gateDtype: "bf16", rounding: "hf", tokens: 40 },
      ...{ keyHeads: 2, group: 2, keyDim: 64, valueDim: 96 },
    };
    const [state, out] = inEveryWay((way) => {
      const made = delta(choice);
      gatedDeltaRule({ ...made.call, ...way });
      return [made.state, made.out];
    }) as [Guarded, Guarded];
    const { call, state: carried, out: pieces } = delta(choice);
    const width = call.heads * call.valueDim;
    for (let token = 0; token < choice.tokens; token++) {
      const at = (x: DeltaOperand) => ({ ...x, data: x.data, offset: x.offset + token * x.tokenStride });
      const here = { q: at(call.q), k: at(call.k), v: at(call.v), a: at(call.a), b: at(call.b) };
      gatedDeltaRule({
        ...call,
        ...here,
        tokens: 1,
        out: call.out.subarray(token * width, (token + 1) * width),
      });
    }
    expect([carried, pieces].map((x) => bitsOf(x.data))).toEqual([state, out].map((x) => bitsOf(x.data)));
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const made = conv({
      ...{ seed: 1, dtype: "bf16", weightDtype: "f32", biased: true },
      ...{ tokens: 3, channels: 8, taps: 3 },
    });
    const ofConv = (change: object) =>
      codeOf(() => causalConv({ ...made.call, ...change } as CausalConvCall));
    expect(ofConv({ tokens: 9 })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofConv({ channels: 2 ** 50 })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofConv({ taps: 0 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofConv({ state: made.out })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofConv({ out: { data: new Float32Array(99), offset: 0 } })).toBe("ERR_QKNORM_DTYPE");
    const { call, state, out } = delta({
      ...{ seed: 3, dtype: "f32", keyDtype: "f32", gateDtype: "f32", rounding: "once" },
      ...{ tokens: 2, keyHeads: 2, group: 1, keyDim: 4, valueDim: 4 },
    });
    const ofDelta = (change: object) =>
      codeOf(() => gatedDeltaRule({ ...call, ...change } as GatedDeltaRuleCall));
    expect(ofDelta({ tokens: 3 })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofDelta({ heads: 3 })).toBe("ERR_QKNORM_SHAPE");
    expect(ofDelta({ keyHeads: 0 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofDelta({ scale: Number.NaN })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofDelta({ out: call.state.data })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofDelta({ a: { ...call.a, dtype: "bf16" } })).toBe("ERR_QKNORM_DTYPE");
    for (const x of [made.state, made.out, state, out]) x.expectUntouched();
  });
});
