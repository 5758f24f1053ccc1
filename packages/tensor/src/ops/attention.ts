import { QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import type { AttentionSpan } from "../kernels.ts";
import { shown } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { lastAxisIsDense, requireRounding, requireShape, requireTensor } from "./checks.ts";

/**
 * Causal grouped-query attention (Ainslie et al. 2023): `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`, where query `t`
 * sees keys `0..past + t`; keys past `past + T` are ignored. Scores and softmax in f32 or wider; what `hf` rounds:
 * `AttentionSpan`.
 *
 * @returns `[T, Hq, D]`, contiguous, in the dtype of q
 * @throws QkNormError `ERR_QKNORM_SHAPE` when sizes do not fit or a last axis has gaps, `ERR_QKNORM_DTYPE` for unequal
 *   or integer dtypes, `ERR_QKNORM_ARGUMENT` for a broken span
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, span: AttentionSpan): Tensor {
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
  const { past, scale, rounding } = (span ?? {}) as AttentionSpan;
  if (!Number.isSafeInteger(past) || past < 0 || !Number.isFinite(scale)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `attention needs an integer past >= 0 and a finite scale, got ${shown(past)} and ${shown(scale)}`,
    );
  }
  requireRounding(rounding);
  requireShape((k.shape[0] as number) >= past + tokens, `k and v must hold ${past} + ${tokens} tokens`, {
    q,
    k,
  });
  const out = Tensor.zeros(q.shape, q.dtype);
  if (out.size > 0) kernels().attention(q, k, v, out, { past, scale, rounding });
  return out;
}
