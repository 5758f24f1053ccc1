import type { TensorView } from "../../../backend.ts";
import type { DeltaGates, DeltaSpec } from "../../../op-specs.ts";
import { softplus } from "./pointwise.ts";
import { load, rounder, store } from "./values.ts";

/** `out [T, N, dv]` of a sequence whose state `[N, dk, dv]` is kept in f32; within a token all is f64. */
export function gatedDeltaRule(
  q: TensorView,
  k: TensorView,
  v: TensorView,
  gates: DeltaGates<TensorView>,
  state: TensorView,
  out: TensorView,
  { scale, rounding }: DeltaSpec,
): void {
  const [tokens, heads, valueDim] = v.shape as [number, number, number];
  const [, keyHeads, keyDim] = k.shape as [number, number, number];
  const group = heads / keyHeads;
  const round = rounding === "hf" ? rounder(gates.b) : (value: number) => value;
  const decays = widened(gates.aLog).map(Math.exp);
  const offsets = widened(gates.dtBias);
  const [a, b] = [new Float64Array(heads), new Float64Array(heads)];
  const [query, key] = [new Float64Array(keyDim), new Float64Array(keyDim)];
  const value = new Float64Array(valueDim);
  const memory = new Float32Array(state.size);
  load(state, state.offset, state.size, memory);
  for (let token = 0; token < tokens; token++) {
    load(gates.a, rowStart(gates.a, token), heads, a);
    load(gates.b, rowStart(gates.b, token), heads, b);
    for (let head = 0; head < heads; head++) {
      const keyHead = Math.floor(head / group);
      load(q, rowStart(q, token, keyHead), keyDim, query);
      load(k, rowStart(k, token, keyHead), keyDim, key);
      load(v, rowStart(v, token, head), valueDim, value);
      const rate = (decays[head] as number) * softplus((a[head] as number) + (offsets[head] as number));
      const own = memory.subarray(head * keyDim * valueDim, (head + 1) * keyDim * valueDim);
      own.forEach((held, i) => {
        own[i] = held * Math.exp(-rate);
      });
      write(own, key, value, round(1 / (1 + Math.exp(-(b[head] as number)))));
      store(out, rowStart(out, token, head), valueDim, read(own, query, valueDim, scale));
    }
  }
  store(state, state.offset, state.size, Float64Array.from(memory));
}

/** `S += k (beta (v - S^T k))^T`. */
function write(own: Float32Array, key: Float64Array, value: Float64Array, beta: number): void {
  const held = read(own, key, value.length, 1);
  for (const [i, part] of key.entries()) {
    const row = own.subarray(i * value.length, (i + 1) * value.length);
    for (let j = 0; j < row.length; j++) {
      row[j] = (row[j] as number) + part * beta * ((value[j] as number) - (held[j] as number));
    }
  }
}

/** `scale S^T x`. */
function read(own: Float32Array, x: Float64Array, valueDim: number, scale: number): Float64Array {
  const sums = new Float64Array(valueDim);
  for (const [i, part] of x.entries()) {
    for (let j = 0; j < valueDim; j++) {
      sums[j] = (sums[j] as number) + part * scale * (own[i * valueDim + j] as number);
    }
  }
  return sums;
}

function rowStart(x: TensorView, token: number, head = 0): number {
  return x.offset + token * (x.strides[0] as number) + head * (x.strides[1] as number);
}

function widened(x: TensorView): Float64Array {
  const values = new Float64Array(x.size);
  load(x, x.offset, x.size, values);
  return values;
}
