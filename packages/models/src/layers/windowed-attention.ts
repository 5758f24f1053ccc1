import { QkNormError } from "@qknorm/core";
import { type AttentionOptions, attention, type Indices, Tensor } from "@qknorm/tensor";

export interface WindowedSpan extends Omit<AttentionOptions, "past"> {
  readonly past: Indices;
  /** How many keys a query sees, its own included; null for all before it. */
  readonly window: number | null;
}

/**
 * `attention` in which query `t` sees the last `window` of the keys `0..past + t`, as Mistral and transformers count it.
 * Composed of calls of `attention`: one for all queries that see everything, and one for each that does not.
 *
 * @throws QkNormError as `attention`; `ERR_QKNORM_ARGUMENT` for a window when the host does not know `past`
 */
export function windowedAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  { window, past, ...span }: WindowedSpan,
): Tensor {
  const tokens = q.dim(0);
  if (window === null || past.bound - 1 + tokens <= window) return attention(q, k, v, { ...span, past });
  const before = past.values?.[0];
  if (before === undefined) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      "attention with a window needs to know on the host how many tokens came before",
    );
  }
  const out = Tensor.empty(q.shape, q.dtype, q.device);
  const whole = Math.max(0, Math.min(tokens, window - before));
  if (whole > 0) {
    out.slice(0, 0, whole).copyFrom(attention(q.slice(0, 0, whole), k, v, { ...span, past: before }));
  }
  for (let t = whole; t < tokens; t++) {
    const end = before + t + 1;
    const [keys, values] = [k.slice(0, end - window, end), v.slice(0, end - window, end)];
    const one = attention(q.slice(0, t, t + 1), keys, values, { ...span, past: window - 1 });
    out.slice(0, t, t + 1).copyFrom(one);
  }
  return out;
}
