import type { FloatDtype, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { activationNumbers, type CpuIsa, dtypeNumbers, roundingNumbers, weighingNumbers } from "./numbers.ts";
import { type HeadsView, ParamWriter, type RowsView, requireObject, type VectorView } from "./params.ts";

/** `[experts, rows, columns]` in memory, the last axis dense: a matrix for each expert. `tokenStride` is from one expert to the next. */
export interface StackView extends HeadsView {
  readonly dtype: FloatDtype;
}

export interface MoeCall {
  readonly tokens: number;
  /** Experts that a token goes to. */
  readonly choices: number;
  readonly experts: number;
  readonly hidden: number;
  readonly intermediate: number;
  /** `[tokens, hidden]` */
  readonly x: RowsView;
  /** `[experts, intermediate, hidden]`, of any dtype */
  readonly gate: StackView;
  readonly up: StackView;
  /** `[experts, hidden, intermediate]`, of any dtype */
  readonly down: StackView;
  /** `[tokens, choices]`, each within `[0, experts)` */
  readonly chosen: Int32Array;
  readonly chosenOffset?: number;
  /** `[tokens, choices]`, f32 or of the dtype of x */
  readonly weights: VectorView;
  /** `[tokens, hidden]`, of the dtype of x; shares no memory with the others */
  readonly out: RowsView;
  /** What a weight multiplies. */
  readonly weighs: keyof typeof weighingNumbers;
  readonly activation: keyof typeof activationNumbers;
  /**
   * `once`: f32 arithmetic, rounded at the end. `hf`: products of matrices, the activation, its product with up, a weighed
   * input, and a weighed output where the weights are of the dtype of x, are rounded too.
   */
  readonly rounding: NormRounding;
  readonly isa?: CpuIsa;
}

/**
 * Each token through the experts `down(act(gate(x)) * up(x))` it goes to, weighed and summed. Only chosen experts are read.
 * The bits of a token depend on neither the other tokens nor the number of threads. Source: Shazeer et al. (2017).
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or range, an
 * expert that is not there), `ERR_QKNORM_DTYPE`, `ERR_QKNORM_LAYOUT` (an array too short or detached, rows that overlap),
 * `ERR_QKNORM_OVERLAP`, `ERR_NATIVE` (no addon).
 */
export function moe(call: MoeCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, gate, up, down, weights, out } = call;
  params
    .start()
    .number(call.tokens, "tokens")
    .number(call.choices, "choices")
    .number(call.experts, "experts")
    .number(call.hidden, "hidden")
    .number(call.intermediate, "intermediate")
    .rows(x, "x");
  stack(gate, "gate");
  stack(up, "up");
  stack(down, "down");
  params
    .vector(weights, "weights")
    .number(call.chosenOffset ?? 0, "chosenOffset")
    .rows(out, "out")
    .choice(weighingNumbers, call.weighs, "weighs")
    .choice(activationNumbers, call.activation, "activation")
    .choice(roundingNumbers, call.rounding, "rounding")
    .isa(call.isa);
  binding.moe(params.array, x.data, gate.data, up.data, down.data, call.chosen, weights.data, out.data);
}

function stack(view: StackView, name: string): void {
  requireObject(view, name);
  params.choice(dtypeNumbers, view.dtype, `${name} dtype`).heads(view, name);
}

const params = new ParamWriter(30);
