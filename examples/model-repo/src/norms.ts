import { Tensor } from "./tensor.ts";

/** Root mean square norm over the last axis: x / sqrt(mean(x^2) + eps) * w. Weight [D]. */
export class RmsNorm {
  readonly weight: Tensor; // [D]
  readonly eps: number;

  constructor(weight: Tensor, eps: number) {
    this.weight = weight;
    this.eps = eps;
  }

  /** [..., D] -> [..., D]. */
  forward(x: Tensor): Tensor {
    const { weight, eps } = this;
    return eachRow(x, weight, (row, out) => {
      const scale = inverseRms(row, eps);
      row.forEach((value, i) => {
        out[i] = Math.fround(value * scale) * weight.data[i]!;
      });
    });
  }
}

/** Like `RmsNorm`, but the stored weight is an offset from one: ... * (1 + w). Weight [D]. */
export class UnitOffsetRmsNorm {
  readonly weight: Tensor; // [D]
  readonly eps: number;

  constructor(weight: Tensor, eps: number) {
    this.weight = weight;
    this.eps = eps;
  }

  /** [..., D] -> [..., D]. */
  forward(x: Tensor): Tensor {
    const { weight, eps } = this;
    return eachRow(x, weight, (row, out) => {
      const scale = inverseRms(row, eps);
      row.forEach((value, i) => {
        out[i] = Math.fround(value * scale) * Math.fround(1 + weight.data[i]!);
      });
    });
  }
}

/** Layer norm over the last axis: (x - mean) / sqrt(var + eps) * w + b. Weight and bias [D]. */
export class LayerNorm {
  readonly weight: Tensor; // [D]
  readonly bias: Tensor; // [D]
  readonly eps: number;

  constructor(weight: Tensor, bias: Tensor, eps: number) {
    this.weight = weight;
    this.bias = bias;
    this.eps = eps;
  }

  /** [..., D] -> [..., D]. */
  forward(x: Tensor): Tensor {
    const { weight, bias, eps } = this;
    return eachRow(x, weight, (row, out) => {
      const mean = Math.fround(sum(row) / row.length);
      const centred = row.map((value) => value - mean);
      const scale = inverseRms(centred, eps);
      centred.forEach((value, i) => {
        const scaled = Math.fround(Math.fround(value * scale) * weight.data[i]!);
        out[i] = scaled + bias.data[i]!;
      });
    });
  }
}

function eachRow(x: Tensor, weight: Tensor, step: (row: Float32Array, out: Float32Array) => void): Tensor {
  const width = x.width;
  if (weight.data.length !== width) {
    throw new RangeError(`a norm with a weight of ${weight.data.length} was given a last axis of ${width}`);
  }
  const out = new Float32Array(x.data.length);
  for (let start = 0; start < out.length; start += width) {
    step(x.data.subarray(start, start + width), out.subarray(start, start + width));
  }
  return new Tensor(out, x.shape);
}

function inverseRms(row: Float32Array, eps: number): number {
  const meanSquare = Math.fround(sum(row.map((value) => value * value)) / row.length);
  return Math.fround(1 / Math.fround(Math.sqrt(Math.fround(meanSquare + eps))));
}

function sum(values: Float32Array): number {
  return values.reduce((a, b) => Math.fround(a + b), 0);
}
