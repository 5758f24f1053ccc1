import type { NormRounding } from "@qknorm/core";
import { type Indices, keep, type RopeTable, rope, Tensor } from "@qknorm/tensor";
import type { LayerOptions } from "./module.ts";

/** Rotary positions for all layers of a model: the angle tables, grown as positions come up. */
export class RotaryEmbedding {
  readonly #headDim: number;
  readonly #theta: number;
  readonly #rounding: NormRounding;
  readonly #device: LayerOptions["device"];
  #table: RopeTable<Tensor> | null = null;

  constructor(headDim: number, theta: number, options: Pick<LayerOptions, "rounding" | "device">) {
    this.#headDim = headDim;
    this.#theta = theta;
    this.#rounding = options.rounding;
    this.#device = options.device;
  }

  /** Rotates `x [T, H, D]` in place, one position a token. */
  apply(x: Tensor, positions: Indices): void {
    rope(x, this.#tableOf(positions.bound), positions, this.#rounding);
  }

  #tableOf(positions: number): RopeTable<Tensor> {
    const known = this.#table;
    if (known !== null && known.cos.dim(0) >= positions) return known;
    this.#table = keep(this.#tabulate(2 ** Math.ceil(Math.log2(Math.max(positions, 64)))));
    known?.cos.dispose();
    known?.sin.dispose();
    return this.#table;
  }

  // The angles as transformers makes them: inverse frequencies and products in f32, cos and sin of the f32 angle.
  #tabulate(positions: number): RopeTable<Tensor> {
    const half = this.#headDim / 2;
    const cos = new Float32Array(positions * half);
    const sin = new Float32Array(positions * half);
    for (let i = 0; i < half; i++) {
      const exponent = Math.fround((2 * i) / this.#headDim);
      const frequency = Math.fround(1 / Math.fround(this.#theta ** exponent));
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        cos[position * half + i] = Math.cos(angle);
        sin[position * half + i] = Math.sin(angle);
      }
    }
    const there = (table: Float32Array) => Tensor.from(table, [positions, half], "f32", this.#device);
    return { cos: there(cos), sin: there(sin) };
  }
}
