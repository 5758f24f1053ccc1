// Calls of attention as data, and what an f64 softmax gives for them.
import { type FloatDtype, roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import type { AttentionCall, CpuIsa } from "../src/index.ts";
import { anyDtype, anyIsa, anyRounding, Guarded, gauss } from "./ops-case.ts";
import { dtypes } from "./qk-norm-case.ts";

export interface Choice {
  seed: number;
  dtype: FloatDtype;
  tokens: number;
  past: number;
  kvHeads: number;
  group: number;
  headDim: number;
  rounding: "once" | "hf";
  isa: CpuIsa;
  mask?: "causal" | "none";
  window?: number;
  chunk?: number;
  softCap?: number;
  /** The dtype of the sinks, where there are any. */
  sinks?: FloatDtype | undefined;
}

export const anyChoice: fc.Arbitrary<Choice> = fc
  .record({
    seed: fc.nat(),
    dtype: anyDtype,
    tokens: fc.oneof(fc.integer({ min: 1, max: 4 }), fc.constantFrom(17, 60, 100)),
    past: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 40 }), fc.constantFrom(127, 128, 300)),
    kvHeads: fc.integer({ min: 1, max: 2 }),
    group: fc.integer({ min: 1, max: 4 }),
    headDim: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(64, 96)),
    rounding: anyRounding,
    isa: anyIsa,
    mask: fc.constantFrom("causal" as const, "causal" as const, "none" as const),
    window: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 200 })),
    chunk: fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 200 })),
    softCap: fc.constantFrom(0, 0, 0.3, 2, 50),
    sinks: fc.constantFrom(undefined, ...dtypes),
  })
  .map((choice) => (choice.mask === "none" ? { ...choice, window: 0, chunk: 0 } : choice));

export function build(choice: Choice) {
  const { seed, group, sinks: sinksDtype, ...numbers } = choice;
  const { dtype, tokens, past, kvHeads, headDim } = choice;
  const value = gauss(seed);
  const queryHeads = kvHeads * group;
  const q = new Guarded(dtype, tokens, queryHeads, headDim, value).remember();
  const k = new Guarded(dtype, past + tokens, kvHeads, headDim, value).remember();
  const v = new Guarded(dtype, past + tokens, kvHeads, headDim, value).remember();
  const out = new Guarded(dtype, tokens, queryHeads, headDim, value).remember();
  const sinks = sinksDtype === undefined ? null : new Guarded(sinksDtype, 1, 1, queryHeads, value);
  const scale = 1 / Math.sqrt(headDim);
  const call: AttentionCall = { ...numbers, queryHeads, scale, q, k, v, out, sinks };
  return { call, q, k, v, out, sinks };
}

export type Case = ReturnType<typeof build>;

/** The f64 reference: for each row the result, and how far f32 arithmetic may be from it. */
export function reference({
  call,
  q,
  k,
  v,
  sinks,
}: Case): (token: number, head: number) => { row: number[]; error: number[] } {
  const { softCap = 0, rounding } = call;
  const round = rounding === "hf" ? (x: number) => roundTo(call.dtype, x) : (x: number) => x;
  const soften = (x: number) => round(round(Math.tanh(round(x / softCap))) * softCap);
  const [qs, ks, vs] = [q.values(), k.values(), v.values()];
  return (token, head) => {
    const kvHead = Math.floor((head * call.kvHeads) / call.queryHeads);
    const keys = visibleKeys(call, token);
    const scores: number[] = [];
    let largest = 0;
    for (const key of keys) {
      let [dot, size] = [0, 0];
      for (let i = 0; i < call.headDim; i++) {
        const product = qs[q.at(token, head, i)]! * ks[k.at(key, kvHead, i)]!;
        dot += product;
        size += Math.abs(product);
      }
      const score = round(round(dot) * Math.fround(call.scale));
      scores.push(softCap === 0 ? score : soften(score));
      largest = Math.max(largest, size * call.scale);
    }
    const sink = sinks === null ? Number.NEGATIVE_INFINITY : round(sinks.get(0, 0, head));
    if (sinks !== null) largest += Math.abs(sink);
    const peak = Math.max(...scores, sink);
    // A sink makes transformers subtract the peak by itself.
    const lowered = sinks === null ? (x: number) => x - peak : (x: number) => round(x - peak);
    const weights = scores.map((score) => Math.exp(lowered(score)));
    const total = weights.reduce((a, b) => a + b, Math.exp(lowered(sink)));
    const shares = weights.map((weight) => round(weight / total));
    const [row, error] = [[] as number[], [] as number[]];
    for (let i = 0; i < call.headDim; i++) {
      let [sum, size] = [0, 0];
      for (const [at, key] of keys.entries()) {
        const product = shares[at]! * vs[v.at(key, kvHead, i)]!;
        sum += product;
        size += Math.abs(product);
      }
      row.push(sum);
      error.push(size * 2 ** -24 * (16 + 16 * largest + keys.length / 4));
    }
    return { row, error };
  };
}

// One key at a time, as the words of the call say it.
function visibleKeys(call: AttentionCall, token: number): number[] {
  const { past, tokens, mask = "causal", window = 0, chunk = 0 } = call;
  const own = past + token;
  const all = Array.from({ length: past + tokens }, (_, key) => key);
  if (mask === "none") return all;
  return all.filter(
    (key) =>
      key <= own &&
      (window === 0 || key > own - window) &&
      (chunk === 0 || Math.floor(key / chunk) === Math.floor(own / chunk)),
  );
}
