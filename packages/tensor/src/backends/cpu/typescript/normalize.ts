import type { NormSpec } from "@qknorm/core";
import type { TensorView } from "../../../backend.ts";
import { denseSpec } from "../weights.ts";
import { load, rounder, store } from "./values.ts";

/** `out [T, H, D] = norm(x [T, H, D])`, row by row in f64: the formulas of `NormSpec`. */
export function normalize(x: TensorView, out: TensorView, spec: NormSpec<TensorView>): void {
  const [tokens, heads, headDim] = x.shape as [number, number, number];
  const normalizeRow = rowNorm(denseSpec(spec), headDim, rounder(out));
  const row = new Float64Array(headDim);
  for (let token = 0; token < tokens; token++) {
    for (let head = 0; head < heads; head++) {
      load(x, rowStart(x, token, head), headDim, row);
      normalizeRow(row, head);
      store(out, rowStart(out, token, head), headDim, row);
    }
  }
}

function rowStart(tensor: TensorView, token: number, head: number): number {
  return tensor.offset + token * (tensor.strides[0] as number) + head * (tensor.strides[1] as number);
}

function rowNorm(
  spec: NormSpec<TensorView>,
  headDim: number,
  round: (value: number) => number,
): (row: Float64Array, head: number) => void {
  const { kind, eps, weightOffset, rounding } = spec;
  const gains = spec.weight && widened(spec.weight).map((weight) => weightOffset + weight);
  const biases = spec.bias ? widened(spec.bias) : null;
  const perHead = gains !== null && gains.length > headDim ? headDim : 0;
  const perHeadBias = biases !== null && biases.length > headDim ? headDim : 0;
  const hf = rounding === "hf";

  return (row, head) => {
    let mean = 0;
    if (kind === "layer") {
      for (let i = 0; i < headDim; i++) mean += row[i] as number;
      mean /= headDim;
    }
    let squares = 0;
    for (let i = 0; i < headDim; i++) squares += ((row[i] as number) - mean) ** 2;
    const divisor =
      kind === "unit"
        ? Math.max(Math.sqrt(squares), eps)
        : Math.sqrt((kind === "l2" ? squares : squares / headDim) + eps);
    const scale = 1 / divisor;
    for (let i = 0; i < headDim; i++) {
      let value = ((row[i] as number) - mean) * scale;
      if (hf) value = round(value);
      if (gains !== null) value *= gains[head * perHead + i] as number;
      if (biases !== null) value = (hf ? round(value) : value) + (biases[head * perHeadBias + i] as number);
      row[i] = value;
    }
  };
}

function widened(tensor: TensorView): Float64Array {
  const values = new Float64Array(tensor.size);
  load(tensor, tensor.offset, tensor.size, values);
  return values;
}
