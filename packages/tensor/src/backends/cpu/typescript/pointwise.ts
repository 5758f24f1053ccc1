import type { TensorView } from "../../../backend.ts";
import type { Pointwise } from "../../../op-specs.ts";
import { load, rounder, store } from "./values.ts";

type Scalar = (x: number) => number;

/** `out = f(x)` over contiguous tensors of one size. */
export function pointwise(x: TensorView, out: TensorView, f: Pointwise): void {
  const values = new Float64Array(x.size);
  load(x, x.offset, x.size, values);
  const apply = scalarOf(f, rounder(out));
  for (let i = 0; i < values.length; i++) values[i] = apply(values[i] as number);
  store(out, out.offset, out.size, values);
}

/** The function of one element, what it returns not yet rounded. */
export function scalarOf(f: Pointwise, round: Scalar): Scalar {
  switch (f.kind) {
    case "silu":
      return (x) => x / (1 + Math.exp(-x));
    case "gelu":
      return (x) => 0.5 * x * (1 + erf(x * Math.SQRT1_2));
    case "gelu-tanh":
      return (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    case "relu":
      return (x) => (x > 0 || Number.isNaN(x) ? x : 0);
    case "relu2":
      return (x) => (x > 0 || Number.isNaN(x) ? x * x : 0);
    case "sigmoid":
      return (x) => 1 / (1 + Math.exp(-x));
    case "softplus":
      return softplus;
    case "tanh":
      return Math.tanh;
    case "scale": {
      const factor = Math.fround(f.factor);
      return (x) => Math.fround(factor * x);
    }
    case "clamp":
      return (x) => Math.min(Math.max(x, -f.limit), f.limit);
    case "soft-cap":
      return (x) => f.cap * round(Math.tanh(round(x / f.cap)));
  }
}

/** `ln(1 + e^x)` without overflow. */
export function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
}

/**
 * The error function to about 1e-14: its Taylor series near 0, and the continued fraction of erfc further out (Abramowitz
 * and Stegun 1964, 7.1.6 and 7.1.14).
 */
function erf(x: number): number {
  const size = Math.abs(x);
  if (Number.isNaN(x) || size > 6) return Number.isNaN(x) ? x : Math.sign(x);
  const bell = Math.exp(-x * x) / Math.sqrt(Math.PI);
  if (size < 2.5) {
    let [term, sum] = [2 * x, 2 * x];
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
      term *= (2 * x * x) / (2 * n + 1);
      sum += term;
    }
    return bell * sum;
  }
  let fraction = size;
  for (let n = 60; n > 0; n--) fraction = size + n / 2 / fraction;
  return Math.sign(x) * (1 - bell / fraction);
}
