import type { FloatDtype, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, maskNumbers, roundingNumbers } from "./numbers.ts";
import { type HeadsView, ParamWriter, requireObject, type VectorView } from "./params.ts";

export interface AttentionCall {
  /** Of all four tensors. */
  readonly dtype: FloatDtype;
  readonly tokens: number;
  /** Keys before the first query: query `t` is at key `past + t`, and sees none after it unless `mask` is `none`. */
  readonly past: number;
  /** A multiple of `kvHeads`; query head `h` reads key/value head `floor(h * kvHeads / queryHeads)`. */
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  /** Factor on the scores, usually `1 / sqrt(headDim)`. */
  readonly scale: number;
  /** `none`: every query sees all `past + tokens` keys. `causal` by default. */
  readonly mask?: "causal" | "none";
  /** Causal only: each query sees only this many keys, its own included; 0, the default, is no limit. */
  readonly window?: number;
  /** Causal only: a query at key `p` sees none before `p - p % chunk` (Llama 4); 0, the default, is no limit. */
  readonly chunk?: number;
  /** Scores become `softCap * tanh(score / softCap)` after the scale, before the mask (Gemma 2); 0, the default: none. */
  readonly softCap?: number;
  /** `[queryHeads]`: scores that take their part of each softmax and add nothing (gpt-oss). */
  readonly sinks?: VectorView | null;
  /**
   * `once`: f32 throughout, rounded at the end. `hf`: as transformers' eager attention, which also rounds dot products,
   * scaled scores and probabilities, and each step of a soft cap or a sink; slower, because it needs a whole row of scores at a time.
   */
  readonly rounding: NormRounding;
  /** `[tokens, queryHeads, headDim]` */
  readonly q: HeadsView;
  /** `[past + tokens, kvHeads, headDim]` */
  readonly k: HeadsView;
  readonly v: HeadsView;
  /** `[tokens, queryHeads, headDim]`; shares no memory with the others */
  readonly out: HeadsView;
  readonly isa?: CpuIsa;
}

/**
 * Grouped-query attention: `out = softmax(scale * q * k^T) * v`. A query's bits depend on the query and its keys
 * alone: not on the other queries of the call, nor on the number of threads. Source of the formula: Vaswani et al.
 * (2017), equation 1; Ainslie et al. (2023) for the groups.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or
 * range), `ERR_QKNORM_SHAPE` (heads that do not divide), `ERR_QKNORM_DTYPE` (an array of another dtype),
 * `ERR_QKNORM_LAYOUT` (an array too short or detached, rows that overlap), `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`.
 */
export function attention(call: AttentionCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { q, k, v, out, sinks } = call;
  params
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.tokens, "tokens")
    .number(call.past, "past")
    .number(call.queryHeads, "queryHeads")
    .number(call.kvHeads, "kvHeads")
    .number(call.headDim, "headDim")
    .number(call.scale, "scale")
    .number(call.window ?? 0, "window")
    .choice(roundingNumbers, call.rounding, "rounding")
    .isa(call.isa)
    .heads(q, "q")
    .heads(k, "k")
    .heads(v, "v")
    .heads(out, "out")
    .choice(maskNumbers, call.mask ?? "causal", "mask")
    .number(call.chunk ?? 0, "chunk")
    .number(call.softCap ?? 0, "softCap")
    .vector(sinks ?? noSinks, "sinks");
  binding.attention(params.array, q.data, k.data, v.data, out.data, sinks?.data ?? null);
}

const params = new ParamWriter(27);
const noSinks: VectorView = { data: new Float32Array(0), dtype: "f32", offset: 0 };
