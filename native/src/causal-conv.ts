import { requireBinding } from "./loader.ts";
import type { CpuIsa, NativeArray } from "./numbers.ts";
import { ParamWriter, type RowsView, requireObject, type VectorView } from "./params.ts";

export interface CausalConvCall {
  readonly tokens: number;
  readonly channels: number;
  /** L: how many tokens an output spans, at least 1. */
  readonly taps: number;
  /** `[tokens, channels]` */
  readonly x: RowsView;
  /** `[channels, taps]`, dense, of any dtype */
  readonly weight: VectorView;
  /** `[channels]`, of any dtype */
  readonly bias: VectorView | null;
  /** `[taps - 1, channels]` and `[tokens, channels]`, dense, of the dtype of x; share no memory with anything else */
  readonly state: { readonly data: NativeArray; readonly offset: number };
  readonly out: { readonly data: NativeArray; readonly offset: number };
  readonly isa?: CpuIsa;
}

/**
 * Causal depthwise convolution of one sequence, a piece at a time: each channel of `[state, x]` over its own taps. Sums are
 * f64, rounded once; the state becomes the last `taps - 1` rows. All instruction sets give the same bits.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_DTYPE`, `ERR_QKNORM_LAYOUT`,
 * `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`.
 */
export function causalConv(call: CausalConvCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, weight, bias, state, out } = call;
  requireObject(state, "state");
  requireObject(out, "out");
  params
    .start()
    .number(call.tokens, "tokens")
    .number(call.channels, "channels")
    .number(call.taps, "taps")
    .rows(x, "x")
    .vector(weight, "weight")
    .vector(bias ?? weight, "bias")
    .number(state.offset, "state offset")
    .number(out.offset, "out offset")
    .isa(call.isa)
    .number(bias === null ? 0 : 1, "biased");
  binding.causalConv(params.array, x.data, weight.data, bias?.data ?? null, state.data, out.data);
}

const params = new ParamWriter(14);
