import type { FloatDtype } from "@qknorm/core";
import type { Untyped } from "./elementwise.ts";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, pointwiseNumbers } from "./numbers.ts";
import { ParamWriter, requireObject, type VectorView } from "./params.ts";

// These throw as the functions of `elementwise.ts` do. All instruction sets give the same bits.

export interface PointwiseCall {
  readonly dtype: FloatDtype;
  readonly count: number;
  /** `[count]` each; `out` may be `x`, but not part of it */
  readonly x: Untyped<VectorView>;
  readonly out: Untyped<VectorView>;
  readonly kind: keyof typeof pointwiseNumbers;
  /** The factor of `scale`, the cap of `soft-cap`, the limit of `clamp`; others have none. */
  readonly number?: number;
  readonly isa?: CpuIsa;
}

/**
 * `out = f(x)`. `relu`, `relu2` and `scale` are one product or comparison in f32, rounded; the others are computed in f64
 * and rounded. `clamp` is x from `-number` to `number`, `soft-cap` `number * tanh(x / number)`, every step rounded to the dtype.
 */
export function pointwise(call: PointwiseCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, out } = call;
  requireObject(x, "x");
  requireObject(out, "out");
  pointwiseParams
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.count, "count")
    .choice(pointwiseNumbers, call.kind, "kind")
    .number(call.number ?? 0, "number")
    .isa(call.isa)
    .number(x.offset, "x offset")
    .number(out.offset, "out offset");
  binding.pointwise(pointwiseParams.array, x.data, out.data);
}

export interface XieluCall extends Pick<PointwiseCall, "dtype" | "count" | "x" | "out" | "isa"> {
  readonly alphaP: number;
  readonly alphaN: number;
  readonly beta: number;
  readonly eps: number;
}

/**
 * xIELU (Huang et al. 2024), in f64 and rounded, with `p = softplus(alphaP)` and `n = beta + softplus(alphaN)`: above 0
 * `p x^2 + beta x`, else `(expm1(min(x, eps)) - x) n + beta x`.
 */
export function xielu(call: XieluCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, out } = call;
  requireObject(x, "x");
  requireObject(out, "out");
  xieluParams
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.count, "count")
    .number(call.alphaP, "alphaP")
    .number(call.alphaN, "alphaN")
    .number(call.beta, "beta")
    .number(call.eps, "eps")
    .isa(call.isa)
    .number(x.offset, "x offset")
    .number(out.offset, "out offset");
  binding.xielu(xieluParams.array, x.data, out.data);
}

const pointwiseParams = new ParamWriter(7);
const xieluParams = new ParamWriter(9);
