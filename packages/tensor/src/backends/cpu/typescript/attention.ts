import type { AttentionSpan, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { load, rounder, store } from "./values.ts";

/** Causal grouped-query attention, one (token, head) at a time, in f64. */
export function attention(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  out: TensorView,
  { past: pasts, scale, rounding }: AttentionSpan,
): void {
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const kvHeads = k.shape[1] as number;
  const past = hostIndices(pasts)[0] as number;
  const group = queryHeads / kvHeads;
  const round = rounding === "hf" ? rounder(q) : (value: number) => value;
  const keys = past + tokens;
  const kRows = new Float32Array(keys * headDim);
  const vRows = new Float32Array(keys * headDim);
  const query = new Float64Array(headDim);
  const result = new Float64Array(headDim);
  const scores = new Float64Array(keys);

  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    for (let key = 0; key < keys; key++) {
      load(k, rowStart(k, key, kvHead), headDim, kRows.subarray(key * headDim));
      load(v, rowStart(v, key, kvHead), headDim, vRows.subarray(key * headDim));
    }
    for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
      for (let token = 0; token < tokens; token++) {
        const visible = past + token + 1;
        load(q, rowStart(q, token, head), headDim, query);
        let peak = Number.NEGATIVE_INFINITY;
        for (let key = 0; key < visible; key++) {
          let score = 0;
          for (let i = 0; i < headDim; i++)
            score += (query[i] as number) * (kRows[key * headDim + i] as number);
          score = round(round(score) * scale);
          scores[key] = score;
          peak = Math.max(peak, score);
        }
        let total = 0;
        for (let key = 0; key < visible; key++) {
          const weight = Math.exp((scores[key] as number) - peak);
          scores[key] = weight;
          total += weight;
        }
        result.fill(0);
        for (let key = 0; key < visible; key++) {
          const probability = round((scores[key] as number) / total);
          for (let i = 0; i < headDim; i++) {
            result[i] = (result[i] as number) + probability * (vRows[key * headDim + i] as number);
          }
        }
        store(out, rowStart(out, token, head), headDim, result);
      }
    }
  }
}

function rowStart(tensor: TensorView, token: number, head: number): number {
  return tensor.offset + token * (tensor.strides[0] as number) + head * (tensor.strides[1] as number);
}
