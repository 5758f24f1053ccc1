import { encodeBf16, encodeE4m3, encodeF16, scaleE4m3 } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { setThreadCount, type WriteCacheCall, writeCache } from "../src/index.ts";
import { anyDtype, codeOf, Guarded, gauss } from "./ops-case.ts";
import { isas, missing } from "./qk-norm-case.ts";
import { guardedCache, slotCount, slotsOf } from "./write-cache-case.ts";

interface Choice {
  readonly seed: number;
  readonly dtype: "f32" | "bf16" | "f16";
  readonly cacheDtype: "f32" | "bf16" | "f16" | "e4m3";
  readonly mode: "computed" | "given";
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
}

const anyChoice: fc.Arbitrary<Choice> = fc.record({
  seed: fc.nat(),
  dtype: anyDtype,
  cacheDtype: fc.constantFrom("f32", "bf16", "f16", "e4m3"),
  mode: fc.constantFrom("computed", "given"),
  tokens: fc.integer({ min: 1, max: 9 }),
  heads: fc.integer({ min: 1, max: 3 }),
  headDim: fc.oneof(fc.integer({ min: 1, max: 80 }), fc.constant(128)),
});

function build({ seed, dtype, cacheDtype, mode, tokens, heads, headDim }: Choice) {
  const value = gauss(seed);
  // Large and tiny rows, zeros, infinities and NaN among plain ones.
  const spread = () => {
    const x = value();
    const dice = Math.abs(x * 1e4) % 1;
    if (dice < 0.02) return [0, -0, Number.NaN, 1 / 0, -1 / 0][Math.floor(dice * 250)]!;
    return dice < 0.3 ? x * 2 ** Math.floor(dice * 100 - 20) : x;
  };
  const [k, v] = [0, 1].map(() => new Guarded(dtype, tokens, heads, headDim, spread)) as [Guarded, Guarded];
  const cache = guardedCache(cacheDtype, mode, heads, headDim, seed);
  const slots = slotsOf(tokens, seed);
  const call: WriteCacheCall = {
    ...{ dtype, tokens, heads, headDim, k, v },
    target: { ...cache.target, slots },
  };
  return { call, cache, rows: [k, v] as const };
}

/** The cache after the write, by the formulas of core. */
function expected({ call, cache, rows }: ReturnType<typeof build>) {
  const { target, heads, headDim } = call;
  const copies = cache.memory.map((array) => array.slice());
  const encode = { f32: (x: number) => x, bf16: encodeBf16, f16: encodeF16, e4m3: encodeE4m3 }[
    target.cacheDtype
  ];
  for (const [side, x] of rows.entries()) {
    const view = side === 0 ? target.kCache : target.vCache;
    for (const [token, slot] of target.slots.entries()) {
      if (slot < 0 || slot >= slotCount) continue;
      for (let head = 0; head < heads; head++) {
        const row = Array.from({ length: headDim }, (_, i) => x.get(token, head, i));
        const place = view.offset + slot * view.tokenStride + head * view.headStride;
        let factor = 1;
        if (target.scales !== null) {
          const scales = side === 0 ? target.scales.k : target.scales.v;
          const at = scales.offset + slot * scales.tokenStride + head * scales.headStride;
          const numbers = row.filter((one) => !Number.isNaN(one)).map(Math.abs);
          const held = copies[2 + side]!;
          if (target.scales.mode === "computed") held[at] = scaleE4m3(Math.max(0, ...numbers));
          factor = Math.fround(1 / held[at]!);
        }
        for (const [i, one] of row.entries()) copies[side]![place + i] = encode(Math.fround(one * factor));
      }
    }
  }
  return copies;
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`writeCache${missing}`, () => {
  it("writes nothing for no token, no head, or heads of no value", () => {
    for (const none of [{ tokens: 0 }, { heads: 0 }, { headDim: 0 }]) {
      const choice = { dtype: "f32", cacheDtype: "bf16", mode: "computed" } as const;
      const { call, cache } = build({ ...choice, seed: 1, tokens: 2, heads: 2, headDim: 8 });
      const before = cache.memory.map((array) => array.slice());
      const slots = none.tokens === 0 ? call.target.slots.slice(0, 0) : call.target.slots;
      writeCache({ ...call, ...none, target: { ...call.target, slots } });
      expect(cache.memory).toEqual(before);
    }
  });

  it("stores what the formulas of core say, in every dtype on every instruction set, and touches nothing else", () => {
    fc.assert(
      fc.property(anyChoice, (choice) => {
        for (const isa of isas) {
          const made = build(choice);
          const wanted = expected(made);
          writeCache({ ...made.call, isa });
          expect(made.cache.memory.map(numbers)).toEqual(wanted.map(numbers));
        }
      }),
      { numRuns: 150 },
    );
    // A NaN is a NaN, whatever its other bits.
    function numbers(array: ArrayLike<number>): number[] {
      const wide = array instanceof Uint16Array;
      return Array.from(array, (x) => (wide && isNan(x) ? -1 : x));
    }
    function isNan(pattern: number): boolean {
      const magnitude = pattern & 0x7fff;
      return magnitude > 0x7f80 || (magnitude > 0x7c00 && magnitude < 0x7e01);
    }
  });

  it("of tokens with one slot keeps the last, on any number of threads", () => {
    const [tokens, heads, headDim] = [500, 2, 64];
    for (const threads of [1, 4]) {
      setThreadCount(threads);
      const k = new Guarded("f32", tokens, heads, headDim, gauss(1));
      const cache = guardedCache("f32", "given", heads, headDim, 3);
      const target = { ...cache.target, slots: new Int32Array(tokens).fill(2) };
      writeCache({ ...{ dtype: "f32", tokens, heads, headDim }, k, v: k, target });
      const { data, offset, tokenStride } = target.kCache;
      expect(data[offset + 2 * tokenStride]).toBe(k.get(tokens - 1, 0, 0));
    }
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const { call, cache, rows } = build({
      ...{ seed: 3, dtype: "bf16", cacheDtype: "bf16", mode: "given", tokens: 3, heads: 2, headDim: 8 },
    });
    const before = cache.memory.map((array) => array.slice());
    const code = (change: object) => codeOf(() => writeCache({ ...call, ...change } as WriteCacheCall));
    const ofTarget = (change: object) => code({ target: { ...call.target, ...change } });
    expect(code({ tokens: 4 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ heads: 2 ** 50 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ dtype: "f32" })).toBe("ERR_QKNORM_DTYPE");
    expect(ofTarget({ cacheDtype: "e4m3" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofTarget({ slotCount: 2 ** 50 })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofTarget({ slots: new Float32Array(3) })).toBe("ERR_QKNORM_DTYPE");
    expect(ofTarget({ slots: new Int32Array(2) })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofTarget({ kCache: call.target.vCache })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofTarget({ kCache: { ...call.target.kCache, data: rows[1].data } })).not.toBe("none");
    expect(cache.memory).toEqual(before);
  });
});
