import { QkNormError } from "@qknorm/core";
import { convert, type FloatDtype, type Indices, linear, mul, Tensor } from "@qknorm/tensor";

/** `1 + scale * ln(1 + floor((position + 1) / floor))` (Nakanishi 2025, "Scalable-Softmax"; Llama 4). */
export interface QueryTemperature {
  readonly floor: number;
  readonly scale: number;
}

/**
 * `q [T, H, D]` times the factor of each token's position, in f32, rounded once. Throws `ERR_GENERATION` for positions
 * that a device made.
 */
export function tempered(q: Tensor, positions: Indices, { floor, scale }: QueryTemperature): Tensor {
  const { values } = positions;
  if (values === null)
    throw new QkNormError("ERR_GENERATION", "the temperature of queries needs positions that the host knows");
  const factors = Float32Array.from(
    values,
    (position) => 1 + scale * Math.log1p(Math.floor((position + 1) / floor)),
  );
  const width = q.dim(1) * q.dim(2);
  const each = Tensor.from(factors, [values.length, 1]).to(q.device);
  const ones = Tensor.from(new Float32Array(width).fill(1), [width, 1]).to(q.device);
  const wide = linear(each, ones).view(q.shape); // a factor over each token's whole row
  return convert(mul(convert(q, "f32"), wide), q.dtype as FloatDtype);
}
