import type { NormKind, NormRounding } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, kindNumbers, roundingNumbers } from "./numbers.ts";
import { ParamWriter, type RowsView, requireObject, type VectorView } from "./params.ts";

/** Of a row of x; see `qkNorm`. */
export interface ProjectNorm {
  readonly kind: NormKind;
  readonly eps: number;
  readonly weightOffset: 0 | 1;
  readonly rounding: NormRounding;
  /** `[inFeatures]` */
  readonly weight: VectorView | null;
  readonly bias: VectorView | null;
}

export interface ProjectCall {
  /** At most `mostProjectRows`. */
  readonly rows: number;
  readonly inFeatures: number;
  readonly outFeatures: number;
  /** `[rows, inFeatures]` */
  readonly x: RowsView;
  /** `[outFeatures, inFeatures]` */
  readonly weight: RowsView;
  /** `[outFeatures]` */
  readonly bias: VectorView | null;
  readonly norm: ProjectNorm | null;
  /** The first half of the outputs are gates: `silu(gate) * up`. */
  readonly swiglu: NormRounding | null;
  /** As `out`, which it may be; of the dtype of x. */
  readonly residual: RowsView | null;
  /** `[rows, outFeatures]`, or half as wide with `swiglu`; of the dtype of x. */
  readonly out: RowsView;
  readonly isa?: CpuIsa;
}

export const mostProjectRows = 8;

/**
 * `out = residual + swiglu(norm(x) * weight^T + bias)` for a few rows, with the bits of `qkNorm`, `linear`, `siluMul` and
 * `add` one after the other.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT`, `ERR_QKNORM_DTYPE`,
 * `ERR_QKNORM_SHAPE` (gates without as many values), `ERR_QKNORM_LAYOUT` (an array too short or detached),
 * `ERR_QKNORM_OVERLAP` (out shares memory with an input), `ERR_NATIVE` (no addon).
 */
export function project(call: ProjectCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { x, weight, bias, norm, residual, out, swiglu } = call;
  params
    .start()
    .number(call.rows, "rows")
    .number(call.inFeatures, "inFeatures")
    .number(call.outFeatures, "outFeatures")
    .rows(x, "x")
    .rows(weight, "weight")
    .vector(bias ?? nowhere, "bias")
    .vector(norm?.weight ?? nowhere, "the norm's weight")
    .vector(norm?.bias ?? nowhere, "the norm's bias");
  place(residual ?? nowhere, "residual");
  requireObject(out, "out");
  place(out, "out");
  params
    .number(swiglu === null ? 0 : swiglu === "hf" ? 2 : 1, "swiglu")
    .number(norm === null ? 0 : 1, "norm")
    .choice(kindNumbers, norm?.kind ?? "rms", "kind")
    .eps(norm ?? nothing)
    .number(norm?.weightOffset ?? 0, "weightOffset")
    .choice(roundingNumbers, norm?.rounding ?? "once", "rounding")
    .isa(call.isa);
  binding.project(
    params.array,
    x.data,
    weight.data,
    bias?.data ?? null,
    norm?.weight?.data ?? null,
    norm?.bias?.data ?? null,
    residual?.data ?? null,
    out.data,
  );
}

function place(view: { readonly offset: number; readonly rowStride: number }, name: string): void {
  params.number(view.offset, `${name} offset`).number(view.rowStride, `${name} rowStride`);
}

const params = new ParamWriter(26);
const nowhere = { data: new Float32Array(0), dtype: "f32", offset: 0, rowStride: 0 } as const;
const nothing = { eps: 0 } as const;
