import type { AttentionSpan, TensorView } from "../../../backend.ts";
import { dataOf, hostIndices } from "../memory.ts";
import { load, rounder, store } from "./values.ts";

/** Grouped-query attention, one (token, head) at a time, in f64; keys and values of any dtype of a cache. */
export function attention(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  out: TensorView,
  span: AttentionSpan,
): void {
  const { scale, softCap, rounding } = span;
  const [tokens, queryHeads, headDim] = q.shape as [number, number, number];
  const kvHeads = k.shape[1] as number;
  const past = hostIndices(span.past)[0] as number;
  const group = queryHeads / kvHeads;
  const round = rounding === "hf" ? rounder(q) : (value: number) => value;
  const roundCached = rounding === "hf" && k.dtype !== q.dtype ? round : null;
  const keys = past + tokens;
  const sinks = span.sinks && loadSinks(span.sinks, queryHeads, round);
  const kRows = new Float32Array(keys * headDim);
  const vRows = new Float32Array(keys * headDim);
  const query = new Float64Array(headDim);
  const result = new Float64Array(headDim);
  const scores = new Float64Array(keys);

  for (let kvHead = 0; kvHead < kvHeads; kvHead++) {
    for (let key = 0; key < keys; key++) {
      loadCached(k, span.scales?.k, { key, kvHead }, roundCached, kRows.subarray(key * headDim));
      loadCached(v, span.scales?.v, { key, kvHead }, roundCached, vRows.subarray(key * headDim));
    }
    for (let head = kvHead * group; head < (kvHead + 1) * group; head++) {
      for (let token = 0; token < tokens; token++) {
        const [first, end] = visibleKeys(span, past + token, keys);
        load(q, rowStart(q, token, head), headDim, query);
        const sink = sinks === null ? Number.NEGATIVE_INFINITY : (sinks[head] as number);
        let peak = sink;
        for (let key = first; key < end; key++) {
          let score = 0;
          for (let i = 0; i < headDim; i++)
            score += (query[i] as number) * (kRows[key * headDim + i] as number);
          score = round(round(score) * scale);
          if (softCap > 0) score = round(round(Math.tanh(round(score / softCap))) * softCap);
          scores[key] = score;
          peak = Math.max(peak, score);
        }
        // A sink makes transformers subtract the peak by itself, in the dtype.
        const lowered =
          sinks === null ? (score: number) => score - peak : (score: number) => round(score - peak);
        let total = sinks === null ? 0 : Math.exp(lowered(sink));
        for (let key = first; key < end; key++) {
          const weight = Math.exp(lowered(scores[key] as number));
          scores[key] = weight;
          total += weight;
        }
        result.fill(0);
        for (let key = first; key < end; key++) {
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

/** One row of keys or values, times its scale; `round`: as if in the dtype of q. */
function loadCached(
  x: TensorView,
  scales: TensorView | undefined,
  { key, kvHead }: { readonly key: number; readonly kvHead: number },
  round: ((value: number) => number) | null,
  row: Float32Array,
): void {
  const headDim = x.shape[2] as number;
  load(x, rowStart(x, key, kvHead), headDim, row);
  if (scales !== undefined) {
    const scale = dataOf(scales)[rowStart(scales, key, kvHead)] as number;
    for (let i = 0; i < headDim; i++) row[i] = (row[i] as number) * scale;
  }
  if (round === null) return;
  for (let i = 0; i < headDim; i++) row[i] = round(row[i] as number);
}

/** The keys that a query at key `own` sees: from the first up to, but not with, the second. */
function visibleKeys({ mask, window, chunk }: AttentionSpan, own: number, keys: number): [number, number] {
  if (mask === "none") return [0, keys];
  const inWindow = window > 0 ? own - window + 1 : 0;
  const inChunk = chunk > 0 ? own - (own % chunk) : 0;
  return [Math.max(0, inWindow, inChunk), own + 1];
}

function loadSinks(sinks: TensorView, heads: number, round: (value: number) => number): Float64Array {
  const values = new Float64Array(heads);
  load(sinks, sinks.offset, heads, values);
  return values.map(round);
}

function rowStart(tensor: TensorView, token: number, head: number): number {
  return tensor.offset + token * (tensor.strides[0] as number) + head * (tensor.strides[1] as number);
}
