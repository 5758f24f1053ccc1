// Before anything is timed, every contender's numbers are compared with the formulas in f64.
import { decodeBf16, encodeBf16, referenceNorm } from "@qknorm/core";
import type { CudaStream } from "../../src/index.ts";
import { normal } from "../numbers.ts";
import { angle, type ChainContender, type ChainContenders, designs } from "./chain-contenders.ts";
import { type ChainRow, chainHeadDim as headDim } from "./chain-rows.ts";

const size: ChainRow = { queryHeads: 16, kvHeads: 8, tokens: 37 };
const half = headDim / 2;

/** Throws for the first contender that is further than two roundings from the formulas, or stores something else. */
export function checkChain(contenders: ChainContenders, stream: CudaStream): void {
  const { memory, positions, slots } = contenders;
  const random = normal(1);
  const filled = (heads: number) =>
    Uint16Array.from({ length: size.tokens * heads * headDim }, () => encodeBf16(random()));
  const [q, k, v] = [filled(size.queryHeads), filled(size.kvHeads), filled(size.kvHeads)];
  const weights = Uint16Array.from({ length: 2 * headDim }, () => encodeBf16(1 + 0.3 * random()));
  memory.weights.upload(weights, stream);
  const weightOf = (side: number) =>
    Array.from(weights.subarray(side * headDim, (side + 1) * headDim), decodeBf16);
  const expected = [
    chainOf(q, size.queryHeads, weightOf(0), positions),
    chainOf(k, size.kvHeads, weightOf(1), positions),
  ] as const;
  for (const name of ["chain", ...designs] as ChainContender[]) {
    for (const [place, bits] of [
      [memory.q, q],
      [memory.k, k],
      [memory.v, v],
    ] as const) {
      place.upload(bits, stream);
    }
    memory.kCache.fill(0, stream);
    memory.vCache.fill(0, stream);
    contenders.prepare(name, size)();
    const [nq, nk] = [new Uint16Array(q.length), new Uint16Array(k.length)];
    memory.q.download(nq, stream);
    memory.k.download(nk, stream);
    compare(`${name}, q`, nq, expected[0]);
    compare(`${name}, k`, nk, expected[1]);
    if (name === "normRope") continue;
    expectRows(`${name}, the cache of k`, memory.kCache, nk);
    expectRows(`${name}, the cache of v`, memory.vCache, v);
  }
  contenders.keepSize();

  function expectRows(what: string, cache: typeof memory.kCache, rows: Uint16Array): void {
    const width = size.kvHeads * headDim;
    const stored = new Uint16Array(cache.bytes / 2);
    cache.download(stored, stream);
    for (let token = 0; token < size.tokens; token++) {
      for (let i = 0; i < width; i++) {
        const [got, wanted] = [stored[(slots[token] as number) * width + i], rows[token * width + i]];
        if (got !== wanted) throw new Error(`${what}: token ${token}, element ${i} is ${got}, not ${wanted}`);
      }
    }
  }
}

/** Norm, rounded, then RoPE in f64. */
function chainOf(bits: Uint16Array, heads: number, weight: number[], positions: Int32Array): Float64Array {
  const spec = { kind: "rms", axis: "head", weight, eps: 1e-6, weightOffset: 0, rounding: "once" } as const;
  const y = referenceNorm({ x: Array.from(bits, decodeBf16), heads, headDim, spec, dtype: "bf16" });
  for (let start = 0; start < y.length; start += headDim) {
    const position = positions[Math.floor(start / (heads * headDim))] as number;
    for (let i = 0; i < half; i++) {
      const [a, b] = [y[start + i] as number, y[start + half + i] as number];
      const [c, s] = [Math.cos(angle(position, i)), Math.sin(angle(position, i))].map(Math.fround) as [
        number,
        number,
      ];
      y[start + i] = a * c - b * s;
      y[start + half + i] = b * c + a * s;
    }
  }
  return y;
}

/** Contenders that round once less, or before the rotation, are as far off as a rounding of either of a pair. */
function compare(what: string, got: Uint16Array, expected: Float64Array): void {
  got.forEach((bits, i) => {
    const [value, wanted] = [decodeBf16(bits), expected[i] as number];
    const near = 2 ** -6 * Math.max(1, Math.abs(wanted));
    if (!(Math.abs(value - wanted) <= near)) {
      throw new Error(`${what}: element ${i} is ${value}, and by the formula ${wanted}`);
    }
  });
}
