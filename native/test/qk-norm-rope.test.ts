import * as fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import {
  type ChainSide,
  type NativeArray,
  type NormSide,
  type QkNormRopeCall,
  qkNorm,
  qkNormRope,
  rope,
  setThreadCount,
  writeCache,
} from "../src/index.ts";
import { codeOf, Guarded, gauss } from "./ops-case.ts";
import { eachElement, type GeneratedCall, generatedCall, isas, missing, plainSide } from "./qk-norm-case.ts";
import { type GuardedCache, guardedCache, slotsOf } from "./write-cache-case.ts";

type Memory = NativeArray | Uint8Array;

interface Chain {
  readonly call: QkNormRopeCall;
  /** All that the call can reach. */
  readonly memory: readonly Memory[];
}

const chains: fc.Arbitrary<Chain> = fc
  .record({
    norms: generatedCall.filter(({ call }) => call.sides.length === 2),
    seed: fc.nat(),
    normalizes: fc.constantFrom([true, true], [true, true], [true, false], [false, true], [false, false]),
    order: fc.constantFrom("norm-rope" as const, "norm-rope" as const, "rope-norm" as const),
    share: fc.constantFrom(1, 1, 0, 0.5, 0.3),
    layout: fc.constantFrom("halves" as const, "halves" as const, "interleaved" as const),
    rounding: fc.constantFrom("hf" as const, "once" as const),
    cacheDtype: fc.constantFrom("f32" as const, "bf16" as const, "f16" as const, "e4m3" as const),
    mode: fc.constantFrom("computed" as const, "given" as const),
    stores: fc.boolean(),
  })
  .map(({ norms, ...drawn }) => chainOf(norms, drawn));

interface Drawn {
  readonly seed: number;
  readonly normalizes: readonly boolean[];
  readonly order: QkNormRopeCall["order"];
  readonly share: number;
  readonly layout: "halves" | "interleaved";
  readonly rounding: "hf" | "once";
  readonly cacheDtype: "f32" | "bf16" | "f16" | "e4m3";
  readonly mode: "computed" | "given";
  readonly stores: boolean;
}

function chainOf({ call, memory }: GeneratedCall, drawn: Drawn): Chain {
  const { dtype, headDim, tokens } = call;
  const [q, k] = call.sides.map((side, i) => ({ ...side, normalizes: drawn.normalizes[i] })) as ChainSide[];
  const half = Math.floor((headDim / 2) * drawn.share);
  const tableRows = 11;
  const angles = (f: (x: number) => number) =>
    Float32Array.from({ length: 3 + tableRows * half }, (_, i) => f(i * 0.37 + drawn.seed));
  const positions = Int32Array.from({ length: tokens }, (_, i) => (i * 7 + drawn.seed) % tableRows);
  const tables = { cos: angles(Math.cos), cosOffset: 3, sin: angles(Math.sin), sinOffset: 3, tableRows };
  const v = new Guarded(dtype, tokens, k!.heads, headDim, gauss(drawn.seed));
  const cache = guardedCache(drawn.cacheDtype, drawn.mode, k!.heads, headDim, drawn.seed);
  return {
    call: {
      ...{ dtype, headDim, tokens, order: drawn.order, q: q!, k: k! },
      rope:
        half === 0 ? null : { half, layout: drawn.layout, rounding: drawn.rounding, ...tables, positions },
      write: drawn.stores ? { ...cache.target, v, slots: slotsOf(tokens, drawn.seed) } : null,
    },
    memory: [...memory, v.data, ...cache.memory],
  };
}

/** The ops of the chain, one after the other over all tokens. */
function inTurn({ dtype, headDim, tokens, order, q, k, rope: turn, write }: QkNormRopeCall): void {
  for (const side of [q, k]) {
    const there = outputOf(side);
    const norm = (one: NormSide) => qkNorm({ dtype, headDim, tokens, sides: [one] });
    const first = order === "norm-rope" && side.normalizes;
    if (first) norm(side);
    else copy({ dtype, headDim, tokens, sides: [side] }, side);
    if (turn !== null) {
      const { half, ...tables } = turn;
      rope({ ...{ dtype, tokens, headDim, heads: side.heads, rotaryDim: 2 * half }, x: there, ...tables });
    }
    if (side.normalizes && !first) {
      const [input, inputOffset] = [side.output, side.outputOffset];
      norm({
        ...{ ...side, input, inputOffset },
        inputTokenStride: side.outputTokenStride,
        inputHeadStride: side.outputHeadStride,
      });
    }
  }
  if (write === null) return;
  writeCache({ dtype, tokens, heads: k.heads, headDim, k: outputOf(k), v: write.v, target: write });
}

function outputOf(side: NormSide) {
  const { output: data, outputOffset: offset } = side;
  return { data, offset, tokenStride: side.outputTokenStride, headStride: side.outputHeadStride };
}

function copy(call: Parameters<typeof eachElement>[0], side: NormSide): void {
  const from: number[] = [];
  eachElement(call, side, "input", (index) => from.push(index));
  let n = 0;
  eachElement(call, side, "output", (index) => {
    bits(side.output)[index] = bits(side.input)[from[n++]!]!;
  });
}

function bits(array: Memory): Uint8Array | Uint16Array | Uint32Array {
  return array instanceof Float32Array
    ? new Uint32Array(array.buffer, array.byteOffset, array.length)
    : array;
}

afterEach(() => setThreadCount(0));

describe.skipIf(missing !== "")(`the chain of the addon${missing}`, () => {
  it("gives the bits of norm, rotation and write in turn on every instruction set, and touches nothing else", () => {
    fc.assert(
      fc.property(chains, ({ call, memory }) => {
        const before = memory.map((array) => bits(array).slice());
        const restore = (): void => {
          for (const [i, array] of memory.entries()) bits(array).set(before[i]!);
        };
        inTurn(call);
        const expected = memory.map((array) => bits(array).slice());
        for (const isa of isas) {
          restore();
          qkNormRope({ ...call, isa });
          expect(memory.map((array) => bits(array).slice())).toEqual(expected);
        }
      }),
      { numRuns: 200 },
    );
  });

  it("gives the same bits on any number of threads, also where tokens share a slot", () => {
    const [tokens, heads, headDim] = [200, 6, 64];
    for (const shared of [false, true]) {
      const results = [1, 2, 5].map((threads) => {
        setThreadCount(threads);
        const { call, cache } = plainChain(tokens, heads, headDim, tokens);
        if (shared) call.write!.slots.fill(3, 100);
        qkNormRope(call);
        return [call.q.output, call.k.output, ...cache.memory].map((array) => bits(array).slice());
      });
      for (const result of results) expect(result).toEqual(results[0]);
    }
  });

  it("refuses what does not fit, by code, and writes nothing", () => {
    const { call, cache } = plainChain(3, 2, 8, 5);
    const [rope, write] = [call.rope!, call.write!];
    const memory = [call.q.input, call.k.input, ...cache.memory];
    const before = memory.map((array) => bits(array).slice());
    const code = (change: object) => codeOf(() => qkNormRope({ ...call, ...change } as QkNormRopeCall));
    const ofRope = (change: object) => code({ rope: { ...rope, ...change } });
    const ofWrite = (change: object) => code({ write: { ...write, ...change } });
    expect(code({ tokens: 4 })).toBe("ERR_QKNORM_LAYOUT");
    expect(code({ order: "both" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ q: { ...call.q, eps: -1 } })).toBe("ERR_QKNORM_ARGUMENT");
    expect(code({ k: { ...call.k, input: call.q.input, output: call.q.output } })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofRope({ half: 5 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofRope({ tableRows: 3 })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofRope({ positions: new Int32Array(2) })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofRope({ cos: call.q.input })).toBe("ERR_QKNORM_DTYPE");
    expect(ofWrite({ slotCount: 6 })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofWrite({ slots: new Int32Array(2) })).toBe("ERR_QKNORM_LAYOUT");
    expect(ofWrite({ cacheDtype: "e4m3" })).toBe("ERR_QKNORM_ARGUMENT");
    expect(ofWrite({ vCache: write.kCache })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofWrite({ v: { ...write.v, data: call.q.input, offset: 0 } })).toBe("ERR_QKNORM_OVERLAP");
    expect(ofWrite({ kCache: { ...write.kCache, data: call.k.input, offset: 0 }, slotCount: 1 })).toBe(
      "ERR_QKNORM_OVERLAP",
    );
    expect(memory.map((array) => bits(array).slice())).toEqual(before);
  });
});

function plainChain(tokens: number, heads: number, headDim: number, slots: number) {
  const side = (count: number, seed: number): ChainSide => {
    const x = new Guarded("bf16", tokens, count, headDim, gauss(seed), 0);
    return { ...plainSide(x.data, count, headDim, { inputOffset: x.offset }), normalizes: true };
  };
  const table = (f: (x: number) => number) =>
    Float32Array.from({ length: 4 * headDim }, (_, i) => f(i * 0.37));
  const cache: GuardedCache = guardedCache("bf16", "given", heads, headDim, 5, slots);
  const call: QkNormRopeCall = {
    ...{ dtype: "bf16", headDim, tokens, order: "norm-rope", q: side(2 * heads, 1), k: side(heads, 2) },
    rope: {
      ...{ half: headDim / 2, layout: "halves", rounding: "hf", tableRows: 8 },
      ...{ cos: table(Math.cos), cosOffset: 0, sin: table(Math.sin), sinOffset: 0 },
      positions: Int32Array.from({ length: tokens }, (_, i) => (i + 3) % 8),
    },
    write: {
      ...cache.target,
      v: new Guarded("bf16", tokens, heads, headDim, gauss(3)),
      slots: Int32Array.from({ length: tokens }, (_, i) => tokens - 1 - i),
    },
  };
  return { call, cache };
}
