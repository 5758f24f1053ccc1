import type { NormRounding } from "@qknorm/core";
import { type RopeTable, rope, Tensor } from "@qknorm/tensor";

/** Rotary positions for all layers of a model: the angle tables, grown as positions come up. */
export class RotaryEmbedding {
  readonly #headDim: number;
  readonly #theta: number;
  readonly #rounding: NormRounding;
  #table: RopeTable = { cos: Tensor.zeros([0, 0]), sin: Tensor.zeros([0, 0]) };

  constructor(headDim: number, theta: number, rounding: NormRounding) {
    this.#headDim = headDim;
    this.#theta = theta;
    this.#rounding = rounding;
  }

  /** Rotates `x [T, H, D]` in place. `positions` i32 `[T]`, all below `limit`. */
  apply(x: Tensor, positions: Tensor, limit: number): void {
    if (this.#table.cos.dim(0) < limit)
      this.#table = this.#tabulate(2 ** Math.ceil(Math.log2(Math.max(limit, 64))));
    rope(x, this.#table, positions, this.#rounding);
  }

  // The angles as transformers makes them: inverse frequencies and products in f32, cos and sin of the f32 angle.
  #tabulate(positions: number): RopeTable {
    const half = this.#headDim / 2;
    const cos = Tensor.zeros([positions, half]);
    const sin = Tensor.zeros([positions, half]);
    for (let i = 0; i < half; i++) {
      const exponent = Math.fround((2 * i) / this.#headDim);
      const frequency = Math.fround(1 / Math.fround(this.#theta ** exponent));
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        cos.data[position * half + i] = Math.cos(angle);
        sin.data[position * half + i] = Math.sin(angle);
      }
    }
    return { cos, sin };
  }
}
