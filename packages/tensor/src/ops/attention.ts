import { QkNormError } from "@qknorm/core";
import type { AttentionSpan } from "../backend.ts";
import { Indices } from "../indices.ts";
import { lastAxisIsDense, shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { backendOfAll, opOf, requireRounding, requireShape, requireTensor } from "./checks.ts";

/** `AttentionSpan`, with a number for a `past` that the host knows. */
export interface AttentionOptions extends Omit<AttentionSpan, "past"> {
  readonly past: number | Indices;
}

/**
 * Causal grouped-query attention (Ainslie et al. 2023): `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`, where query `t`
 * sees keys `0..past + t`; keys past `past + T` are ignored. Scores and softmax in f32 or wider; what `hf` rounds:
 * `AttentionSpan`.
 *
 * @returns `[T, Hq, D]`, contiguous, in the dtype of q
 * @throws QkNormError `ERR_QKNORM_SHAPE` when sizes do not fit or a last axis has gaps, `ERR_QKNORM_DTYPE` for unequal
 *   or integer dtypes, `ERR_QKNORM_ARGUMENT` for a broken span
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, span: AttentionOptions): Tensor {
  for (const [name, x] of Object.entries({ q, k, v })) {
    requireTensor(x, name);
    requireShape(
      x.shape.length === 3 && lastAxisIsDense(x),
      `${name} must be [tokens, heads, D] with a dense last axis`,
      { [name]: x },
    );
    if (x.dtype !== q.dtype) {
      throw new QkNormError(
        "ERR_QKNORM_DTYPE",
        `attention needs one dtype: q is ${q.dtype}, ${name} is ${x.dtype}`,
      );
    }
  }
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const kvHeads = k.shape[1] as number;
  requireShape(
    k.shape.every((dim, axis) => dim === v.shape[axis]),
    "k and v must have one shape",
    { k, v },
  );
  requireShape(
    k.shape[2] === headDim && kvHeads > 0 && queryHeads % kvHeads === 0,
    "query heads must be a multiple of KV heads of the same D",
    { q, k },
  );
  const { past, scale, rounding } = (span ?? {}) as AttentionOptions;
  const before = readPast(past);
  if (!Number.isFinite(scale)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `attention needs a finite scale, got ${shown(scale)}`);
  }
  requireRounding(rounding);
  const keys = k.shape[0] as number;
  const most = before.bound - 1;
  requireShape(keys >= most + tokens, `k and v must hold ${most} + ${tokens} tokens`, { q, k });
  const op = opOf(backendOfAll({ q, k, v }), "attention");
  const out = Tensor.empty(q.shape, q.dtype, q.device);
  if (out.size > 0) op(q, k, v, out, { past: before, scale, rounding });
  return out;
}

function readPast(past: unknown): Indices {
  if (typeof past === "number" && Number.isSafeInteger(past) && past >= 0) return Indices.from([past]);
  if (Indices.is(past) && past.length === 1) return past;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    `attention needs as past an integer >= 0, or Indices of one, got ${Indices.is(past) ? `Indices of ${past.length}` : shown(past)}`,
  );
}
