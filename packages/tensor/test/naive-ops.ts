import { roundTo } from "@qknorm/core";
import type { AttentionOptions, FloatDtype } from "../src/index.ts";
import { Tensor } from "../src/tensor.ts";

// Each op in f64 as its formula reads, over lists of numbers in row-major order: slow, and plain to see.

type Values = ArrayLike<number>;
type Round = (value: number) => number;

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);
const exact: Round = (value) => value;

/** The rounding that `hf` asks for between steps. */
export function between(dtype: FloatDtype, rounding: "once" | "hf"): Round {
  return rounding === "hf" ? (value) => roundTo(dtype, value) : exact;
}

/** `x [M, K] * w [N, K]^T + bias [N]`. */
export function naiveLinear(
  x: Values,
  w: Values,
  bias: Values | null,
  m: number,
  n: number,
  k: number,
): number[] {
  return range(m).flatMap((i) =>
    range(n).map((j) => range(k).reduce((sum, l) => sum + x[i * k + l]! * w[j * k + l]!, bias?.[j] ?? 0)),
  );
}

/** Rotation of pairs `(i, i + R)`, or `(2i, 2i + 1)`, of each head by the angles of its token; the rest passes. */
export function naiveRope(
  x: Values,
  [tokens, heads, dim]: readonly [number, number, number],
  cos: (token: number, i: number) => number,
  sin: (token: number, i: number) => number,
  half: number,
  round: Round,
  interleaved = false,
): number[] {
  return range(tokens * heads * dim).map((at) => {
    const [i, token] = [at % dim, Math.floor(at / (heads * dim))];
    if (i >= 2 * half) return x[at]!;
    const [pair, first, apart] = interleaved
      ? [Math.floor(i / 2), i % 2 === 0, 1]
      : [i % half, i < half, half];
    const [c, s] = [round(cos(token, pair)), round(sin(token, pair))];
    const turned = first ? -x[at + apart]! : x[at - apart]!;
    return round(x[at]! * c) + round(turned * s);
  });
}

/** Softmax attention of each query over keys `0..past + t`, query heads in groups over KV heads. */
export function naiveAttention(
  q: Values,
  k: Values,
  v: Values,
  { tokens, heads, kvHeads, dim }: { tokens: number; heads: number; kvHeads: number; dim: number },
  span: AttentionOptions & { readonly past: number },
  round: Round,
): number[] {
  return range(tokens).flatMap((t) =>
    range(heads).flatMap((h) => {
      const kv = Math.floor(h / (heads / kvHeads));
      const keyAt = (key: number, i: number): number => (key * kvHeads + kv) * dim + i;
      const { past, mask = "causal", window = 0, chunk = 0, softCap = 0, sinks } = span;
      const own = past + t;
      const seen = range(past + tokens).filter(
        (key) =>
          mask === "none" ||
          (key <= own &&
            (window === 0 || key > own - window) &&
            (chunk === 0 || Math.floor(key / chunk) === Math.floor(own / chunk))),
      );
      const scores = seen.map((key) => {
        const dot = range(dim).reduce((sum, i) => sum + q[(t * heads + h) * dim + i]! * k[keyAt(key, i)]!, 0);
        const score = round(round(dot) * span.scale);
        return softCap === 0 ? score : round(round(Math.tanh(round(score / softCap))) * softCap);
      });
      const sink = sinks ? [round(sinks.toNumbers()[h]!)] : [];
      const peak = Math.max(...scores, ...sink);
      const lowered = sinks ? (score: number) => round(score - peak) : (score: number) => score - peak;
      const powers = scores.map((score) => Math.exp(lowered(score)));
      const total = [...powers, ...sink.map((score) => Math.exp(lowered(score)))].reduce((a, b) => a + b, 0);
      const shares = powers.map((power) => round(power / total));
      return range(dim).map((i) =>
        shares.reduce((sum, share, at) => sum + share * v[keyAt(seen[at]!, i)]!, 0),
      );
    }),
  );
}

/** `silu(gate) * up` of each row `[gate, up]`. */
export function naiveSiluMul(x: Values, rows: number, width: number, round: Round): number[] {
  return range(rows * width).map((at) => {
    const start = Math.floor(at / width) * 2 * width + (at % width);
    const gate = x[start]!;
    return round(gate / (1 + Math.exp(-gate))) * x[start + width]!;
  });
}

/** A tensor of these values whose memory is not dense: rows with gaps before, between and behind them. */
export function gapped(values: Values, shape: readonly number[], dtype: FloatDtype | "i32", gap = 3): Tensor {
  const last = shape.at(-1) ?? 1;
  const padded = Tensor.zeros([...shape.slice(0, -1), last + gap], dtype);
  // NaN in every gap: a kernel that reads one shows it. Integers have none, and 2^31 - 1 is out of every range.
  padded.copyFrom(
    Tensor.from(new Array(padded.size).fill(dtype === "i32" ? 2 ** 31 - 1 : Number.NaN), padded.shape, dtype),
  );
  const view = padded.slice(-1, 1, 1 + last);
  return view.copyFrom(Tensor.from(values, shape, dtype));
}
