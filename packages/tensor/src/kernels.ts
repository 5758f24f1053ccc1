import type { NormRounding, NormSpec } from "@qknorm/core";
import type { QkNormFit } from "./qk-norm-fit.ts";
import type { Tensor } from "./tensor.ts";

/** One tensor to normalise: `x` and `out` are `[T, H, D]` with the last axis dense; `out` may be `x`. */
export interface NormSide {
  readonly x: Tensor;
  readonly out: Tensor;
  readonly spec: NormSpec<Tensor>;
}

/** QK norm of tensors that fit, into outputs that are q and k themselves in place and dense otherwise. */
export type QkNormRun = (q: Tensor, k: Tensor, qOut: Tensor, kOut: Tensor, tokens: number) => void;

/** Rotation of the first `2 * R` values of each head by tabulated angles. */
export interface RopeTable {
  /** f32 `[P, R]`, for positions `0..P-1`. */
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/** Where the queries of an attention call stand among its keys. */
export interface AttentionSpan {
  /** Query `t` sees keys `0..past + t`. */
  readonly past: number;
  /** Factor on the scores, usually `1 / sqrt(D)`. */
  readonly scale: number;
  /**
   * `hf` rounds to the dtype where transformers' eager attention does: the scores, the scaled scores and the
   * probabilities. `once` rounds the result alone.
   */
  readonly rounding: NormRounding;
}

/**
 * The arithmetic of a transformer over plain memory; one implementation in C++ and one in TypeScript. Arguments were
 * checked by the ops in front of it: ranks and dtypes are as written here and the last axis is dense. Accumulation is
 * f32 or wider, and each result is rounded to the dtype of `out` (more often with rounding `hf`: see each op).
 */
export interface Kernels {
  /** For people: "native kernels, avx512, 2 threads". */
  readonly name: string;
  /** Normalises each head of one or two tensors. */
  normalize(sides: readonly NormSide[]): void;
  /** QK norm for all tensors that fit, ready to run again and again; `null` where that would save nothing. */
  prepareQkNorm(fit: QkNormFit, qSpec: NormSpec<Tensor>, kSpec: NormSpec<Tensor>): QkNormRun | null;
  /** `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`. */
  linear(x: Tensor, w: Tensor, bias: Tensor | null, out: Tensor): void;
  /** Rotates `x [T, H, D]` in place; `positions` i32 `[T]`. */
  rope(x: Tensor, table: RopeTable, positions: Tensor, rounding: NormRounding): void;
  /** `out [T, Hq, D]` from `q [T, Hq, D]`, `k` and `v` `[S, Hkv, D]`. */
  attention(q: Tensor, k: Tensor, v: Tensor, out: Tensor, span: AttentionSpan): void;
  /** `out [T, I] = silu(gateUp[:, :I]) * gateUp[:, I:]`. */
  siluMul(gateUp: Tensor, out: Tensor, rounding: NormRounding): void;
  /** `out [N] = a [N] + b [N]`. */
  add(a: Tensor, b: Tensor, out: Tensor): void;
  /** `out [T, C] = table[ids [T]]`, with ids within `[0, V)`. */
  gatherRows(table: Tensor, ids: Tensor, out: Tensor): void;
  /** `out [N] = x [N]`, rounded to the dtype of `out`. */
  convert(x: Tensor, out: Tensor): void;
}
