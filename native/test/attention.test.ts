import { roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type AttentionCall, attention, type CpuIsa, setThreadCount } from "../src/index.ts";
import { anyDtype, anyIsa, anyRounding, codeOf, expectRounded, Guarded, gauss } from "./ops-case.ts";
import { dtypes, isas, missing } from "./qk-norm-case.ts";

interface Choice {
  seed: number;
  dtype: "f32" | "bf16" | "f16";
  tokens: number;
  past: number;
  kvHeads: number;
  group: number;
  headDim: number;
  window: number;
  rounding: "once" | "hf";
  isa: CpuIsa;
}

const anyChoice: fc.Arbitrary<Choice> = fc.record({
  seed: fc.nat(),
  dtype: anyDtype,
  tokens: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(17, 60, 150)),
  past: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }), fc.constantFrom(127, 128, 300)),
  kvHeads: fc.integer({ min: 1, max: 3 }),
  group: fc.integer({ min: 1, max: 5 }),
  headDim: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 128)),
  window: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 })),
  rounding: anyRounding,
  isa: anyIsa,
});

function build(choice: Choice) {
  const { dtype, tokens, past, kvHeads, headDim, window, rounding, isa } = choice;
  const value = gauss(choice.seed);
  const queryHeads = kvHeads * choice.group;
  const q = new Guarded(dtype, tokens, queryHeads, headDim, value).remember();
  const k = new Guarded(dtype, past + tokens, kvHeads, headDim, value).remember();
  const v = new Guarded(dtype, past + tokens, kvHeads, headDim, value).remember();
  const out = new Guarded(dtype, tokens, queryHeads, headDim, value).remember();
  const scale = 1 / Math.sqrt(headDim);
  const call: AttentionCall = {
    ...{ dtype, tokens, past, queryHeads, kvHeads, headDim, scale, window, rounding, isa },
    ...{ q, k, v, out },
  };
  return { call, q, k, v, out };
}

type Case = ReturnType<typeof build>;

/** The f64 reference: for each row the result, and how far f32 arithmetic may be from it. */
function reference({
  call,
  q,
  k,
  v,
}: Case): (token: number, head: number) => { row: number[]; error: number[] } {
  const round = call.rounding === "hf" ? (x: number) => roundTo(call.dtype, x) : (x: number) => x;
  const [qs, ks, vs] = [q.values(), k.values(), v.values()];
  return (token, head) => {
    const kvHead = Math.floor((head * call.kvHeads) / call.queryHeads);
    const end = call.past + token + 1;
    const begin = call.window ? Math.max(0, end - call.window) : 0;
    const scores: number[] = [];
    let largest = 0;
    for (let key = begin; key < end; key++) {
      let [dot, size] = [0, 0];
      for (let i = 0; i < call.headDim; i++) {
        const product = qs[q.at(token, head, i)]! * ks[k.at(key, kvHead, i)]!;
        dot += product;
        size += Math.abs(product);
      }
      scores.push(round(round(dot) * Math.fround(call.scale)));
      largest = Math.max(largest, size * call.scale);
    }
    const peak = Math.max(...scores);
    const weights = scores.map((score) => Math.exp(score - peak));
    const total = weights.reduce((a, b) => a + b, 0);
    const shares = weights.map((weight) => round(weight / total));
    const [row, error] = [[] as number[], [] as number[]];
    for (let i = 0; i < call.headDim; i++) {
      let [sum, size] = [0, 0];
      for (let key = begin; key < end; key++) {
        const product = shares[key - begin]! * vs[v.at(key, kvHead, i)]!;
        sum += product;
        size += Math.abs(product);
      }
      row.push(sum);
      error.push(size * 2 ** -24 * (16 + 16 * largest + (end - begin) / 4));
    }
    return { row, error };
  };
}

function forEachRow({ call }: Case, visit: (token: number, head: number) => void): void {
  for (let t = 0; t < call.tokens; t++) for (let h = 0; h < call.queryHeads; h++) visit(t, h);
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`attention${missing}`, () => {
  it("agrees with an f64 softmax for any shape, layout, window and instruction set, and writes only out", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build({ ...choice, rounding: "once" });
        attention(made.call);
        const expected = reference(made);
        forEachRow(made, (t, h) => {
          const { row, error } = expected(t, h);
          for (let i = 0; i < row.length; i++) {
            expectRounded(choice.dtype, made.out.get(t, h, i), row[i]!, error[i]!, `out[${t}, ${h}, ${i}]`);
          }
        });
        made.out.expectUntouched(choice.headDim);
        for (const input of [made.q, made.k, made.v]) input.expectUntouched();
      }),
      { numRuns: 60 },
    );
  });

  it("rounds where transformers does, with rounding hf", () => {
    let [elements, equal] = [0, 0];
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build({ ...choice, rounding: "hf" });
        attention(made.call);
        const expected = reference(made);
        forEachRow(made, (t, h) => {
          const { row, error } = expected(t, h);
          for (let i = 0; i < row.length; i++) {
            const actual = made.out.get(t, h, i);
            if (choice.dtype === "f32") {
              expectRounded("f32", actual, row[i]!, error[i]!, `out[${t}, ${h}, ${i}]`);
            } else {
              elements++;
              if (actual === roundTo(choice.dtype, row[i]!)) equal++;
              // A sum that falls on the other side of a rounding boundary moves a weight by one unit in its last place.
              expect(Math.abs(actual - row[i]!)).toBeLessThan(choice.dtype === "bf16" ? 0.06 : 0.008);
            }
          }
        });
        made.out.expectUntouched(choice.headDim);
      }),
      { numRuns: 60, seed: 7 },
    );
    expect(equal / elements).toBeGreaterThan(0.99);
  });

  it("gives a query the same bits alone, in any batch, and for any number of threads", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        const made = build(choice);
        const { call, q, out } = made;
        setThreadCount(1);
        attention(call);
        const together = out.allBits();
        setThreadCount(5);
        attention(call);
        expect(out.allBits()).toEqual(together);
        for (let t = 0; t < call.tokens; t++) {
          const at = (tensor: Guarded) => ({ ...views(tensor), offset: tensor.at(t, 0, 0) });
          attention({ ...call, tokens: 1, past: call.past + t, q: at(q), out: at(out) });
        }
        expect(out.allBits()).toEqual(together);
      }),
      { numRuns: 40 },
    );
  });

  it.each(isas)("spreads a long cache over threads without changing a bit (%s)", (isa) => {
    for (const window of [0, 1500]) {
      const choice = {
        seed: 5,
        dtype: "bf16",
        tokens: 2,
        past: 3300,
        kvHeads: 1,
        group: 3,
        headDim: 64,
      } as const;
      const made = build({ ...choice, window, rounding: "once", isa });
      setThreadCount(1);
      attention(made.call);
      const alone = made.out.allBits();
      setThreadCount(8);
      attention(made.call);
      expect(made.out.allBits()).toEqual(alone);
      // Sixty queries at once make enough blocks to run one after the other; the two last ones are those above.
      const long = build({ ...choice, tokens: 60, past: 3242, window, rounding: "once", isa });
      copy(made.k, long.k);
      copy(made.v, long.v);
      for (let h = 0; h < 3; h++) {
        for (let i = 0; i < 64; i++) {
          for (let t = 0; t < 2; t++) long.q.set(58 + t, h, i, made.q.get(t, h, i));
        }
      }
      setThreadCount(1);
      attention(long.call);
      expect(long.out.allBits().slice(-6)).toEqual(alone);
      const { row, error } = reference(made)(1, 2);
      for (let i = 0; i < 64; i++) expectRounded("bf16", made.out.get(1, 2, i), row[i]!, error[i]!, `${i}`);
    }
  });

  it.each(isas)("hides keys from queries that must not see them, be they NaN or infinite (%s)", (isa) => {
    for (const dtype of dtypes) {
      for (const rounding of ["once", "hf"] as const) {
        for (const poison of [Number.NaN, Number.POSITIVE_INFINITY]) {
          const choice = { seed: 6, dtype, tokens: 9, past: 130, kvHeads: 1, group: 2, headDim: 20 } as const;
          const made = build({ ...choice, window: 20, rounding, isa });
          attention(made.call);
          const clean = made.out.allBits();
          for (let i = 0; i < 20; i++) {
            made.k.set(115, 0, i, poison); // seen by queries 0..4
            made.v.set(115, 0, i, poison);
            made.v.set(137, 0, i, poison); // seen by queries 7, 8
          }
          attention(made.call);
          for (let t = 0; t < 9; t++) {
            for (let h = 0; h < 2; h++) {
              const seen = t <= 4 || t >= 7;
              if (seen)
                expect(Number.isFinite(made.out.get(t, h, 0)), `${dtype} ${rounding} ${t}`).toBe(false);
              else expect(made.out.bits(t, h), `${dtype} ${rounding} ${t}`).toEqual(clean[t * 2 + h]);
            }
          }
        }
      }
    }
  });

  it.each(isas)("survives scores far apart, and gives all-minus-infinite scores no weight (%s)", (isa) => {
    const choice = { seed: 8, dtype: "f32", tokens: 1, past: 260, kvHeads: 1, group: 1, headDim: 4 } as const;
    const made = build({ ...choice, window: 0, rounding: "once", isa });
    for (let i = 0; i < 4; i++) {
      made.q.set(0, 0, i, 100);
      for (let key = 0; key <= 260; key++) made.k.set(key, 0, i, key < 200 ? Number.NEGATIVE_INFINITY : -key);
    }
    attention(made.call);
    for (let i = 0; i < 4; i++) expect(made.out.get(0, 0, i)).toBe(made.v.get(200, 0, i));
  });

  it.each(isas)("does not lose a chunk of keys that are all NaN (%s)", (isa) => {
    const choice = {
      seed: 11,
      dtype: "f32",
      tokens: 1,
      past: 1100,
      kvHeads: 1,
      group: 1,
      headDim: 4,
    } as const;
    const made = build({ ...choice, window: 0, rounding: "once", isa });
    for (let key = 0; key < 1024; key++) for (let i = 0; i < 4; i++) made.k.set(key, 0, i, Number.NaN);
    attention(made.call);
    for (let i = 0; i < 4; i++) expect(made.out.get(0, 0, i)).toBeNaN();
  });

  it("does nothing for no tokens", () => {
    const made = build({
      ...{ seed: 9, dtype: "f32", tokens: 2, past: 3, kvHeads: 1, group: 1, headDim: 4 },
      ...{ window: 0, rounding: "once", isa: "scalar" },
    });
    attention({ ...made.call, tokens: 0 });
    made.out.expectUntouched();
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const made = build({
      ...{ seed: 10, dtype: "bf16", tokens: 2, past: 3, kvHeads: 2, group: 2, headDim: 8 },
      ...{ window: 0, rounding: "once", isa: "scalar" },
    });
    const code = (change: object) => codeOf(() => attention({ ...made.call, ...change } as AttentionCall));
    const view = views(made.k);
    expect(code({ past: 4 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ past: 2 ** 52 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ past: 2 ** 39 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ past: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ kvHeads: 3 })).toBe("ERR_QKNORM_SHAPE");
    expect(code({ kvHeads: 0 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ headDim: 0 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ headDim: 12 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ scale: Number.NaN })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ scale: 1e300 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ window: 0.5 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ rounding: "up" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ dtype: "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ k: { ...view, tokenStride: 0 } })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ k: { ...view, headStride: 2 ** 53 - 1 } })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ v: undefined })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ out: views(made.q) })).toBe("ERR_QKNORM_OVERLAP");
    made.out.expectUntouched();
    made.q.expectUntouched();
  });
});

function views({ data, offset, tokenStride, headStride }: Guarded) {
  return { data, offset, tokenStride, headStride };
}

function copy(from: Guarded, to: Guarded): void {
  for (let t = 0; t < from.tokens; t++) {
    for (let i = 0; i < from.row; i++) to.set(t, 0, i, from.get(t, 0, i));
  }
}
