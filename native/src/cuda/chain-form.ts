import { QkNormError } from "@qknorm/core";
import { cacheDtypeNumbers, layoutNumbers, roundingNumbers, scaleModeNumbers } from "../numbers.ts";
import type { Alignment } from "./alignment.ts";
import type { CudaCacheDtype } from "./cache-dtype.ts";
import { type CudaNormForm, formMacros } from "./norm-form.ts";

/** What qk_norm_rope.cu is specialised for. */
export interface CudaChainForm {
  /** Its kind, weights and rounding count with `normalizes` alone; dtype, head dim and alignment always. */
  readonly norm: CudaNormForm;
  readonly normalizes: boolean;
  /** Null: nothing turns. */
  readonly rope: {
    /** R: the first `2R` values of each head turn. */
    readonly half: number;
    readonly layout: "halves" | "interleaved";
    readonly rounding: "hf" | "once";
    /** Of both tables; at least 4. */
    readonly alignment: Alignment;
    /** Nothing queued writes to the tables: they may be read before what is in front has run. */
    readonly settled: boolean;
  } | null;
  readonly order: "norm-rope" | "rope-norm";
  /** Null: nothing is stored. */
  readonly cache: {
    readonly dtype: CudaCacheDtype;
    /** Of the addresses and strides of both caches; at least 4 for f32 and e4m3. */
    readonly alignment: Alignment;
    readonly scales: "none" | "computed" | "given";
  } | null;
}

/** The macros of the kernel. Throws as `formMacros` does, and `ERR_QKNORM_SHAPE` for a rotation of more than D values. */
export function chainMacros(form: CudaChainForm): Record<string, number> {
  const { norm, normalizes, rope, order, cache } = form;
  const { headDim } = norm;
  if (rope !== null && !(Number.isInteger(rope.half) && rope.half > 0 && 2 * rope.half <= headDim)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `a rotation turns from 1 to ${Math.floor(headDim / 2)} pairs of ${headDim} values, got ${String(rope.half)}`,
    );
  }
  const plain = { kind: "rms", weight: null, bias: null, weightOffset: 0, rounding: "once" } as const;
  return {
    QK_HEAD_DIM: headDim,
    ...formMacros(normalizes ? norm : { ...norm, ...plain }),
    QK_NORM: normalizes ? 1 : 0,
    QK_HALF: rope?.half ?? 0,
    QK_INTERLEAVED: layoutNumbers[rope?.layout ?? "halves"],
    QK_ROPE_HF: roundingNumbers[rope?.rounding ?? "once"],
    QK_TABLE_ALIGN: rope?.alignment ?? 16,
    QK_SETTLED: rope?.settled === true ? 1 : 0,
    QK_ROPE_FIRST: rope !== null && normalizes && order === "rope-norm" ? 1 : 0,
    QK_CACHE: cache === null ? 0 : 1,
    QK_CACHE_DTYPE: cacheDtypeNumbers[cache?.dtype ?? norm.dtype],
    QK_CACHE_ALIGN: cache?.alignment ?? 16,
    QK_SCALES: scaleModeNumbers[cache?.scales ?? "none"],
  };
}
