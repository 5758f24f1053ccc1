import { Tensor } from "./tensor.ts";

/**
 * Makes the same weights from the same seed, everywhere.
 * Mulberry32: 32-bit integer arithmetic only, so no engine can disagree.
 */
export class WeightMaker {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  /** [rows, columns], scaled so that a matmul keeps the size of its input. */
  matrix(rows: number, columns: number): Tensor {
    const scale = Math.sqrt(3 / rows);
    return this.fill([rows, columns], () => scale * this.next());
  }

  /** [length], spread by `spread` to either side of `centre`. */
  vector(length: number, centre: number, spread = 0.5): Tensor {
    return this.fill([length], () => centre + spread * this.next());
  }

  private fill(shape: readonly number[], value: () => number): Tensor {
    const size = shape.reduce((a, b) => a * b, 1);
    return new Tensor(Float32Array.from({ length: size }, value), shape);
  }

  /** Uniform in [-1, 1). */
  private next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.state ^ (this.state >>> 15), this.state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 31 - 1;
  }
}
