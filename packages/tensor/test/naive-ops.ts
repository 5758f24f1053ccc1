import { roundTo } from "@qknorm/core";
import type { AttentionOptions, FloatDtype, RouterSpec } from "../src/index.ts";
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

/** The best k of each row of scores with their weights: `[expert, weight]` pairs, the best first. */
export function naiveRoute(
  logits: Values,
  bias: Values | null,
  experts: number,
  { score, topK, groups, normalize, factor }: RouterSpec,
): [expert: number, weight: number][][] {
  return range(logits.length / experts).map((token) => {
    const row = range(experts).map((e) => logits[token * experts + e]!);
    const total = row.reduce((sum, logit) => sum + Math.exp(logit), 0);
    const scores = row.map((logit) =>
      score === "softmax" ? Math.exp(logit) / total : 1 / (1 + Math.exp(-logit)),
    );
    const rank = scores.map((value, e) => value + (bias?.[e] ?? 0));
    const best = (of: number[], count: number) =>
      range(of.length)
        .sort((a, b) => of[b]! - of[a]! || a - b)
        .slice(0, count);
    const size = experts / (groups?.count ?? 1);
    const group = range(groups?.count ?? 1).map((g) => rank.slice(g * size, (g + 1) * size));
    const kept = best(
      group.map((members) => best(members, 2).reduce((sum, e) => sum + members[e]!, 0)),
      groups?.kept ?? 1,
    );
    const open = rank.map((value, e) =>
      kept.includes(Math.floor(e / size)) ? value : Number.NEGATIVE_INFINITY,
    );
    const chosen = best(open, topK);
    const sum = chosen.reduce((part, e) => part + scores[e]!, 0);
    const divisor = normalize === null ? 1 : sum + normalize.eps;
    return chosen.map((e) => [e, (factor * scores[e]!) / divisor]);
  });
}

/** Each token's experts one after the other: `sum over k of w * down(act(gate(x)) * up(x))`. */
export function naiveMoe(
  x: Values,
  parts: { readonly gate: Values; readonly up: Values; readonly down: Values },
  routing: readonly (readonly (readonly [expert: number, weight: number])[])[],
  { width, inner }: { readonly width: number; readonly inner: number },
  act: Round,
  weighs: "input" | "output",
  round: Round,
  roundWeighed: Round,
): number[] {
  const product = (matrix: Values, expert: number, input: Values, rows: number, columns: number) =>
    naiveLinear(input, Array.from(matrix).slice(expert * rows * columns), null, 1, rows, columns).map(round);
  return routing.flatMap((choices, token) => {
    const row = range(width).map((i) => x[token * width + i]!);
    const outputs = choices.map(([expert, weight]) => {
      const given = weighs === "input" ? row.map((value) => round(value * weight)) : row;
      const up = product(parts.up, expert, given, inner, width);
      const gated = product(parts.gate, expert, given, inner, width).map((value, i) =>
        round(round(act(value)) * up[i]!),
      );
      const output = product(parts.down, expert, gated, width, inner);
      return weighs === "input" ? output : output.map((value) => roundWeighed(value * weight));
    });
    return range(width).map((i) => outputs.reduce((sum, output) => sum + output[i]!, 0));
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
