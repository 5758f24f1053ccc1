/**
 * A dense, contiguous, row-major f32 tensor: as small as eight attention modules allow.
 * No strides, no devices, no broadcasting, no gradients.
 *
 * Every operation rounds to f32 after each step, in a fixed order, so a result is the same bits on every machine.
 */
export class Tensor {
  readonly data: Float32Array;
  readonly shape: readonly number[];

  constructor(data: Float32Array, shape: readonly number[]) {
    if (data.length !== sizeOf(shape)) {
      throw new RangeError(`${data.length} values do not fill shape [${shape.join(", ")}]`);
    }
    this.data = data;
    this.shape = shape;
  }

  /** Length of the last axis. */
  get width(): number {
    return this.shape[this.shape.length - 1] ?? 1;
  }

  /** Number of vectors along the last axis. */
  get rows(): number {
    return this.width === 0 ? 0 : this.data.length / this.width;
  }

  /** Same storage under another shape; one entry may be -1 and is inferred. */
  reshape(shape: readonly number[]): Tensor {
    return new Tensor(this.data, inferShape(shape, this.data.length));
  }

  /** Copy of columns `start` (included) to `end` (excluded) of the last axis. */
  slice(start: number, end: number): Tensor {
    if (start < 0 || end > this.width || start > end) {
      throw new RangeError(`columns ${start}..${end} are outside a last axis of ${this.width}`);
    }
    const width = end - start;
    const out = new Float32Array(this.rows * width);
    for (let row = 0; row < this.rows; row++) {
      const from = row * this.width;
      out.set(this.data.subarray(from + start, from + end), row * width);
    }
    return new Tensor(out, [...this.shape.slice(0, -1), width]);
  }

  /** [..., K] x [K, N] -> [..., N]. */
  matmul(other: Tensor): Tensor {
    const [inner, width] = other.shape;
    if (other.shape.length !== 2 || inner !== this.width || width === undefined) {
      throw new RangeError(`matmul of [${this.shape.join(", ")}] and [${other.shape.join(", ")}]`);
    }
    const out = new Float32Array(this.rows * width);
    for (let row = 0; row < this.rows; row++) {
      for (let column = 0; column < width; column++) {
        let sum = 0;
        for (let i = 0; i < inner; i++) {
          const product = Math.fround(this.data[row * inner + i]! * other.data[i * width + column]!);
          sum = Math.fround(sum + product);
        }
        out[row * width + column] = sum;
      }
    }
    return new Tensor(out, [...this.shape.slice(0, -1), width]);
  }

  add(other: Tensor): Tensor {
    return this.zip(other, (a, b) => a + b);
  }

  mul(other: Tensor): Tensor {
    return this.zip(other, (a, b) => a * b);
  }

  scale(factor: number): Tensor {
    return this.map((value) => value * factor);
  }

  sigmoid(): Tensor {
    return this.map((value) => 1 / Math.fround(1 + exp(-value)));
  }

  /** Over the last axis. */
  softmax(): Tensor {
    const out = new Float32Array(this.data.length);
    for (let row = 0; row < this.rows; row++) {
      const scores = this.data.subarray(row * this.width, (row + 1) * this.width);
      const highest = scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const weights = scores.map((score) => exp(score - highest));
      const total = weights.reduce((a, b) => Math.fround(a + b), 0);
      out.set(
        weights.map((weight) => weight / total),
        row * this.width,
      );
    }
    return new Tensor(out, this.shape);
  }

  private map(step: (value: number) => number): Tensor {
    return new Tensor(this.data.map(step), this.shape);
  }

  private zip(other: Tensor, step: (a: number, b: number) => number): Tensor {
    if (other.shape.join() !== this.shape.join()) {
      throw new RangeError(`[${this.shape.join(", ")}] and [${other.shape.join(", ")}] differ`);
    }
    return new Tensor(
      this.data.map((value, i) => step(value, other.data[i]!)),
      this.shape,
    );
  }
}

// Engines may differ in the last bit of a float64 exp; rounding to f32 at once hides that.
function exp(value: number): number {
  return Math.fround(Math.exp(value));
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}

function inferShape(shape: readonly number[], size: number): readonly number[] {
  const known = sizeOf(shape.filter((n) => n !== -1));
  const inferred = shape.map((n) => (n === -1 ? size / known : n));
  if (sizeOf(inferred) !== size || !inferred.every(Number.isInteger)) {
    throw new RangeError(`${size} values cannot be seen as [${shape.join(", ")}]`);
  }
  return inferred;
}
