import type { ExpertViews, MoeSpec, TensorView } from "../../../backend.ts";
import { hostIndices } from "../memory.ts";
import { scalarOf } from "./pointwise.ts";
import { load, rounder, store } from "./values.ts";

/** Each token of `x [T, C]` through its experts, one at a time, in f64. */
export function moe(x: TensorView, { gate, up, down }: ExpertViews, out: TensorView, spec: MoeSpec): void {
  const { weights, weighs, rounding } = spec;
  const [tokens, width] = x.shape as [number, number];
  const choices = weights.shape[1] as number;
  const chosen = hostIndices(spec.experts);
  const round = rounding === "hf" ? rounder(out) : (value: number) => value;
  const roundWeighed = weights.dtype === out.dtype ? round : (value: number) => value;
  const activate = scalarOf({ kind: spec.activation }, round);
  const input = new Float64Array(width);
  const given = new Float64Array(width);
  const inner = new Float64Array(gate.shape[1] as number);
  const upper = new Float64Array(inner.length);
  const output = new Float64Array(width);
  const sum = new Float64Array(width);
  const share = new Float64Array(choices);
  for (let token = 0; token < tokens; token++) {
    load(x, x.offset + token * (x.strides[0] as number), width, input);
    load(weights, weights.offset + token * choices, choices, share);
    sum.fill(0);
    for (let k = 0; k < choices; k++) {
      const expert = chosen[token * choices + k] as number;
      const weight = share[k] as number;
      for (let i = 0; i < width; i++) {
        given[i] = weighs === "input" ? round((input[i] as number) * weight) : (input[i] as number);
      }
      product(gate, expert, given, inner, round);
      product(up, expert, given, upper, round);
      for (let i = 0; i < inner.length; i++) {
        inner[i] = round(round(activate(inner[i] as number)) * (upper[i] as number));
      }
      product(down, expert, inner, output, round);
      for (let i = 0; i < width; i++) {
        const value = output[i] as number;
        sum[i] = (sum[i] as number) + (weighs === "input" ? value : roundWeighed(value * weight));
      }
    }
    store(out, out.offset + token * (out.strides[0] as number), width, sum);
  }
}

/** `y [N] = matrix[expert] [N, K] * x [K]`. */
function product(
  matrix: TensorView,
  expert: number,
  x: Float64Array,
  y: Float64Array,
  round: (value: number) => number,
): void {
  const [stride, rowStride] = matrix.strides as [number, number];
  const row = new Float32Array(x.length);
  for (let i = 0; i < y.length; i++) {
    load(matrix, matrix.offset + expert * stride + i * rowStride, row.length, row);
    let sum = 0;
    for (let j = 0; j < row.length; j++) sum += (row[j] as number) * (x[j] as number);
    y[i] = round(sum);
  }
}
