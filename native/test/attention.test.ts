import { roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { type AttentionCall, attention, setThreadCount } from "../src/index.ts";
import { anyChoice, build, type Case, reference } from "./attention-case.ts";
import { codeOf, expectRounded, type Guarded } from "./ops-case.ts";
import { dtypes, isas, missing } from "./qk-norm-case.ts";

function forEachRow({ call }: Case, visit: (token: number, head: number) => void): void {
  for (let t = 0; t < call.tokens; t++) for (let h = 0; h < call.queryHeads; h++) visit(t, h);
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`attention${missing}`, () => {
  it("agrees with an f64 softmax for any shape, layout, mask, cap, sink and instruction set, and writes only out", () => {
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

  it.each(isas)("takes the few rows of several heads together, on one thread (%s)", (isa) => {
    setThreadCount(1);
    // Six heads go in two equal parts, and seven in unequal ones.
    for (const kvHeads of [6, 7]) {
      const sizes = { tokens: 3, past: 20, kvHeads, group: 2, headDim: 8 } as const;
      const made = build({ seed: 14, dtype: "f32", rounding: "once", isa, ...sizes });
      attention(made.call);
      const expected = reference(made);
      forEachRow(made, (t, h) => {
        const { row, error } = expected(t, h);
        for (const [i, wanted] of row.entries())
          expectRounded("f32", made.out.get(t, h, i), wanted, error[i]!, `out[${t}, ${h}, ${i}]`);
      });
      made.out.expectUntouched(sizes.headDim);
    }
  });

  it.each(isas)(
    "scores bf16 as it is where pairs are an instruction, which takes numbers below 2^-126 for zero (%s)",
    (isa) => {
      const sizes = { tokens: 1, past: 1, kvHeads: 1, group: 1, headDim: 4, mask: "none" } as const;
      const made = build({ seed: 2, dtype: "bf16", rounding: "once", isa, ...sizes });
      for (let i = 0; i < 4; i++) {
        made.q.set(0, 0, i, i === 0 ? 2 ** -130 : 0);
        for (const key of [0, 1]) {
          made.k.set(key, 0, i, key === 0 ? 2 ** 120 : -(2 ** 120));
          made.v.set(key, 0, i, 1 - key);
        }
      }
      attention({ ...made.call, scale: 2 ** 14 });
      expect(made.out.get(0, 0, 0)).toBe(isa === "avx512bf16" ? 0.5 : 1);
    },
  );

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
          if (call.mask === "none") break; // a query alone would have other keys
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

  it.each(isas)("caps scores without end, and keeps the mask's infinity (%s)", (isa) => {
    for (const rounding of ["once", "hf"] as const) {
      const choice = {
        seed: 12,
        dtype: "f32",
        tokens: 2,
        past: 0,
        kvHeads: 1,
        group: 1,
        headDim: 4,
      } as const;
      const made = build({ ...choice, softCap: 2, rounding, isa });
      for (let i = 0; i < 4; i++) {
        made.q.set(0, 0, i, 1);
        made.q.set(1, 0, i, 1);
        made.k.set(0, 0, i, Number.NEGATIVE_INFINITY);
        made.k.set(1, 0, i, Number.POSITIVE_INFINITY);
      }
      attention(made.call);
      const share = 1 / (1 + Math.exp(-4)); // scores are -2 and 2
      for (let i = 0; i < 4; i++) {
        const [first, second] = [made.v.get(0, 0, i), made.v.get(1, 0, i)];
        expect(made.out.get(0, 0, i)).toBe(first);
        expect(made.out.get(1, 0, i)).toBeCloseTo(first * (1 - share) + second * share, 5);
      }
    }
  });

  it.each(isas)("lets a sink of minus infinity take nothing, and an endless one everything (%s)", (isa) => {
    for (const past of [0, 1500]) {
      for (const rounding of ["once", "hf"] as const) {
        const choice = { seed: 13, dtype: "f32", tokens: 1, past, kvHeads: 1, group: 2, headDim: 4 } as const;
        const made = build({ ...choice, sinks: "f32", rounding, isa });
        attention({ ...made.call, sinks: null });
        const plain = made.out.allBits();
        made.sinks!.set(0, 0, 0, Number.NEGATIVE_INFINITY);
        made.sinks!.set(0, 0, 1, 1e30);
        attention(made.call);
        expect(made.out.bits(0, 0)).toEqual(plain[0]);
        for (let i = 0; i < 4; i++) expect(made.out.get(0, 1, i)).toBeCloseTo(0, 30);
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
    expect(code({ window: 2, mask: "none" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ chunk: 2, mask: "none" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ mask: "prefix" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ chunk: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ softCap: -1 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ softCap: Number.POSITIVE_INFINITY })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ sinks: { data: new Float32Array(3), dtype: "f32", offset: 0 } })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ sinks: { data: new Float32Array(4), dtype: "bf16", offset: 0 } })).toBe("ERR_QKNORM_DTYPE");
    expect(code({ sinks: 4 })).toBe("ERR_QKNORM_ARGUMENT");
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
