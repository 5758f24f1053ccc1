import type { TensorView } from "../../../backend.ts";
import { load, store } from "./values.ts";

/** `out [T, C]` of `x [T, C]` after `state [L - 1, C]`, which moves on. */
export function causalConv(
  x: TensorView,
  weight: TensorView,
  bias: TensorView | null,
  state: TensorView,
  out: TensorView,
): void {
  const [tokens, channels] = x.shape as [number, number];
  const taps = weight.shape[1] as number;
  const weights = new Float64Array(channels * taps);
  load(weight, weight.offset, weights.length, weights);
  const biases = new Float64Array(channels);
  if (bias !== null) load(bias, bias.offset, channels, biases);
  // The rows of [state, x] that are under the weights, oldest first; row t + j is at (t + j) % taps.
  const rows = Array.from({ length: taps }, () => new Float64Array(channels));
  const rowAt = (index: number): Float64Array => rows[index % taps] as Float64Array;
  for (let j = 0; j < taps - 1; j++) load(state, state.offset + j * channels, channels, rowAt(j));
  const sums = new Float64Array(channels);
  for (let token = 0; token < tokens; token++) {
    const start = x.offset + token * (x.strides[0] as number);
    load(x, start, channels, rowAt(token + taps - 1));
    sums.set(biases);
    for (let j = 0; j < taps; j++) {
      const row = rowAt(token + j);
      for (let c = 0; c < channels; c++) {
        sums[c] = (sums[c] as number) + (weights[c * taps + j] as number) * (row[c] as number);
      }
    }
    store(out, out.offset + token * channels, channels, sums);
  }
  for (let j = 0; j < taps - 1; j++) store(state, state.offset + j * channels, channels, rowAt(tokens + j));
}
