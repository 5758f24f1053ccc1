import { Tensor } from "./tensor.ts";

/** What every attention module in this repo offers. */
export interface AttentionModule {
  /** [T, C] -> [T, C]. */
  forward(x: Tensor): Tensor;
}

/** What every attention module needs to know; a family adds its own fields. */
export interface AttentionConfig {
  /** C. */
  readonly hidden: number;
  /** Hq. */
  readonly heads: number;
  /** Hkv; a divisor of `heads`. */
  readonly kvHeads: number;
  /** D. */
  readonly headDim: number;
  readonly eps: number;
  readonly ropeTheta: number;
  readonly seed: number;
}

export type HeadLayout = Pick<AttentionConfig, "heads" | "kvHeads" | "headDim">;

/** Causal grouped-query attention. q [T, Hq*D] or [T, Hq, D], k and v [T, Hkv*D] or [T, Hkv, D] -> [T, Hq*D]. */
export function causalAttention(q: Tensor, k: Tensor, v: Tensor, layout: HeadLayout): Tensor {
  const { heads, kvHeads, headDim } = layout;
  const tokens = q.shape[0] ?? 0;
  const scale = Math.fround(1 / Math.sqrt(headDim));
  const out = new Float32Array(tokens * heads * headDim);
  for (let head = 0; head < heads; head++) {
    const kvHead = Math.floor((head * kvHeads) / heads);
    for (let token = 0; token < tokens; token++) {
      const query = vectorAt(q, token * heads + head, headDim);
      const scores = Float32Array.from(
        { length: token + 1 },
        (_, past) => dot(query, vectorAt(k, past * kvHeads + kvHead, headDim)) * scale,
      );
      const weights = new Tensor(scores, [scores.length]).softmax();
      const values = new Float32Array(scores.length * headDim);
      for (let past = 0; past <= token; past++) {
        values.set(vectorAt(v, past * kvHeads + kvHead, headDim), past * headDim);
      }
      const mixed = weights.matmul(new Tensor(values, [scores.length, headDim])); // [D]
      out.set(mixed.data, (token * heads + head) * headDim);
    }
  }
  return new Tensor(out, [tokens, heads * headDim]);
}

function vectorAt(x: Tensor, row: number, headDim: number): Float32Array {
  return x.data.subarray(row * headDim, (row + 1) * headDim);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => Math.fround(sum + Math.fround(value * b[i]!)), 0);
}
