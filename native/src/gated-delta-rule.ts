import type { FloatDtype, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, type NativeArray, roundingNumbers } from "./numbers.ts";
import { type HeadsView, ParamWriter, requireObject } from "./params.ts";

/** `[tokens, heads, dim]`, the last axis dense; strides of axes that an operand lacks are not looked at. */
export interface DeltaOperand extends HeadsView {
  readonly dtype: FloatDtype;
}

export interface GatedDeltaRuleCall {
  readonly tokens: number;
  readonly keyHeads: number;
  /** Of values; a multiple of `keyHeads`. */
  readonly heads: number;
  readonly keyDim: number;
  readonly valueDim: number;
  /** `[tokens, keyHeads, keyDim]` */
  readonly q: DeltaOperand;
  readonly k: DeltaOperand;
  /** `[tokens, heads, valueDim]` */
  readonly v: DeltaOperand;
  /** `[tokens, heads]` */
  readonly a: DeltaOperand;
  readonly b: DeltaOperand;
  /** `[heads]` */
  readonly aLog: DeltaOperand;
  readonly dtBias: DeltaOperand;
  /** `[heads, keyDim, valueDim]`, dense, overwritten; shares no memory with anything else */
  readonly state: { readonly data: Float32Array; readonly offset: number };
  /** `[tokens, heads, valueDim]`, dense, of the dtype of v */
  readonly out: NativeArray;
  /** Factor on q; finite. */
  readonly scale: number;
  /** `hf`: the sigmoid of b is rounded to the dtype of b. */
  readonly rounding: NormRounding;
  readonly isa?: CpuIsa;
}

/**
 * The gated delta rule over a piece of one sequence (Yang et al. 2024; the formula stands in cpu/gated_delta_rule.h). Within
 * a token all is f64; the state is f32. All instruction sets and numbers of threads give the same bits.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_SHAPE` (heads that are no
 * multiple), `ERR_QKNORM_DTYPE`, `ERR_QKNORM_LAYOUT`, `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`.
 */
export function gatedDeltaRule(call: GatedDeltaRuleCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { q, k, v, a, b, aLog, dtBias, state, out } = call;
  requireObject(state, "state");
  params
    .start()
    .number(call.tokens, "tokens")
    .number(call.keyHeads, "keyHeads")
    .number(call.heads, "heads")
    .number(call.keyDim, "keyDim")
    .number(call.valueDim, "valueDim")
    .number(call.scale, "scale")
    .choice(roundingNumbers, call.rounding, "rounding")
    .isa(call.isa)
    .number(state.offset, "state offset");
  for (const [name, x] of [
    ["q", q],
    ["k", k],
    ["v", v],
    ["a", a],
    ["b", b],
    ["aLog", aLog],
    ["dtBias", dtBias],
  ] as const) {
    requireObject(x, name);
    params.choice(dtypeNumbers, x.dtype, `${name} dtype`).heads(x, name);
  }
  const inputs = [q.data, k.data, v.data, a.data, b.data, aLog.data, dtBias.data] as const;
  binding.gatedDeltaRule(params.array, ...inputs, state.data, out);
}

const params = new ParamWriter(9 + 4 * 7);
