import type { FloatDtype, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, layoutNumbers, roundingNumbers } from "./numbers.ts";
import { type HeadsView, ParamWriter, requireObject } from "./params.ts";

export interface RopeCall {
  readonly dtype: FloatDtype;
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** The first values of each head that turn: even, at most `headDim`. */
  readonly rotaryDim: number;
  /** `[tokens, heads, headDim]`, turned in place */
  readonly x: HeadsView;
  /** `[tableRows, rotaryDim / 2]` */
  readonly cos: Float32Array;
  readonly sin: Float32Array;
  readonly tableRows: number;
  /** Elements before the first row of each table; 0 by default. */
  readonly cosOffset?: number;
  readonly sinOffset?: number;
  /** `[tokens]`, each within `[0, tableRows)` */
  readonly positions: Int32Array;
  readonly positionsOffset?: number;
  /** `halves`, the default: value `i` turns against `i + rotaryDim / 2`. `interleaved`: value `2i` against `2i + 1`. */
  readonly layout?: "halves" | "interleaved";
  /** `once`: f32 arithmetic, rounded at the end. `hf`: cos, sin, each product and each sum rounded, as transformers. */
  readonly rounding: NormRounding;
  readonly isa?: CpuIsa;
}

/**
 * Rotary position embedding: the pair `(a, b)` becomes `(a * cos - b * sin, b * cos + a * sin)`. All instruction sets
 * give the same bits. Source of the formula: Su et al. (2021), equation 34.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or
 * range, a position outside the table), `ERR_QKNORM_SHAPE` (a rotary dim that is odd or too large),
 * `ERR_QKNORM_DTYPE` (an array of another dtype), `ERR_QKNORM_LAYOUT` (an array too short or detached, rows that
 * overlap), `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`.
 */
export function rope(call: RopeCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  params
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.tokens, "tokens")
    .number(call.heads, "heads")
    .number(call.headDim, "headDim")
    .number(call.rotaryDim, "rotaryDim")
    .number(call.tableRows, "tableRows")
    .choice(layoutNumbers, call.layout ?? "halves", "layout")
    .choice(roundingNumbers, call.rounding, "rounding")
    .isa(call.isa)
    .heads(call.x, "x")
    .number(call.cosOffset ?? 0, "cosOffset")
    .number(call.sinOffset ?? 0, "sinOffset")
    .number(call.positionsOffset ?? 0, "positionsOffset");
  binding.rope(params.array, call.x.data, call.cos, call.sin, call.positions);
}

const params = new ParamWriter(15);
