import { attention, Tensor } from "@qknorm/tensor";

/**
 * Attention without a mask between sequences of any two lengths: `q [T, H, D]` over all of `k` and `v` `[S, H, D]`,
 * scores times `D^-0.5`, rounded once as PyTorch's `scaled_dot_product_attention` is.
 *
 * @returns `[T, H, D]`
 */
export function fullAttention(q: Tensor, k: Tensor, v: Tensor): Tensor {
  const [tokens, keys] = [q.dim(0), k.dim(0)];
  const over = (queries: Tensor): Tensor =>
    attention(queries, k, v, {
      past: keys - queries.dim(0),
      scale: q.dim(2) ** -0.5,
      mask: "none",
      rounding: "once",
    });
  if (tokens <= keys) return over(q);
  // The op takes at most as many queries as keys; without a mask, queries do not depend on one another.
  const out = Tensor.empty(q.shape, q.dtype, q.device);
  for (let start = 0; start < tokens; start += keys) {
    const end = Math.min(start + keys, tokens);
    out.slice(0, start, end).copyFrom(over(q.slice(0, start, end)));
  }
  return out;
}
