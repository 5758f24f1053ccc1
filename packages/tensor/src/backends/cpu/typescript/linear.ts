import type { TensorView } from "../../../backend.ts";
import { load, store } from "./values.ts";

/** `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`, accumulated in f64, one weight row widened at a time. */
export function linear(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): void {
  const [m, k] = x.shape as [number, number];
  const n = w.shape[0] as number;
  const inputs = new Float32Array(m * k);
  for (let row = 0; row < m; row++) {
    load(x, x.offset + row * (x.strides[0] as number), k, inputs.subarray(row * k, (row + 1) * k));
  }
  const biases = new Float64Array(n);
  if (bias !== null) load(bias, bias.offset, n, biases);

  const weights = new Float32Array(k);
  const results = new Float64Array(m * n);
  for (let column = 0; column < n; column++) {
    load(w, w.offset + column * (w.strides[0] as number), k, weights);
    for (let row = 0; row < m; row++) {
      results[row * n + column] = dot(inputs, row * k, weights) + (biases[column] as number);
    }
  }
  for (let row = 0; row < m; row++) {
    store(out, out.offset + row * (out.strides[0] as number), n, results.subarray(row * n, (row + 1) * n));
  }
}

// Four sums at a time: an add must not wait for the add before it.
function dot(a: Float32Array, start: number, b: Float32Array): number {
  const whole = b.length - (b.length % 4);
  let [s0, s1, s2, s3] = [0, 0, 0, 0];
  for (let i = 0; i < whole; i += 4) {
    s0 += (a[start + i] as number) * (b[i] as number);
    s1 += (a[start + i + 1] as number) * (b[i + 1] as number);
    s2 += (a[start + i + 2] as number) * (b[i + 2] as number);
    s3 += (a[start + i + 3] as number) * (b[i + 3] as number);
  }
  for (let i = whole; i < b.length; i++) s0 += (a[start + i] as number) * (b[i] as number);
  return s0 + s1 + (s2 + s3);
}
