import { QkNormError } from "@qknorm/core";
import { kernels } from "../backend.ts";
import type { AttentionSpan } from "../kernels.ts";
import { Tensor } from "../tensor.ts";
import { requireShape, requireTensor } from "./checks.ts";

/**
 * Causal grouped-query attention (Ainslie et al. 2023): `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`, where query `t`
 * sees keys `0..past + t`; keys past `past + T` are ignored. Scores and softmax in f32 or wider.
 *
 * @returns `[T, Hq, D]`, contiguous, in the dtype of q
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, span: AttentionSpan): Tensor {
  for (const [name, x] of Object.entries({ q, k, v })) {
    requireTensor(x, name, ["f32", "bf16", "f16"]);
    requireShape(
      x.shape.length === 3 && (x.strides[2] === 1 || x.shape[2] === 1),
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
  if (!Number.isSafeInteger(span.past) || span.past < 0 || !Number.isFinite(span.scale)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `attention needs an integer past >= 0 and a finite scale, got ${span.past} and ${span.scale}`,
    );
  }
  requireShape(
    (k.shape[0] as number) >= span.past + tokens,
    `k and v must hold ${span.past} + ${tokens} tokens`,
    { q, k },
  );
  const out = Tensor.zeros(q.shape, q.dtype);
  if (out.size > 0) kernels().attention(q, k, v, out, span);
  return out;
}
