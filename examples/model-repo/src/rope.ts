import { Tensor } from "./tensor.ts";

export interface RopeConfig {
  readonly headDim: number;
  /** How many leading entries of each head are rotated; the rest pass through. */
  readonly rotaryDim: number;
  readonly theta: number;
}

/** Rotary position embedding, split-half layout, token t at position t. */
export class Rope {
  readonly config: RopeConfig;

  constructor(config: RopeConfig) {
    this.config = config;
  }

  /** [T, H*D] or [T, H, D], same shape out; the input is left alone. */
  forward(x: Tensor): Tensor {
    const { headDim, rotaryDim, theta } = this.config;
    const half = rotaryDim / 2;
    const tokens = x.shape[0] ?? 0;
    const heads = x.data.length / (tokens * headDim);
    const out = x.data.slice();
    for (let token = 0; token < tokens; token++) {
      for (let i = 0; i < half; i++) {
        // Engines may differ in the last bit of float64 pow, cos and sin; rounding to f32 at once hides that.
        const angle = Math.fround(token * Math.fround(theta ** (-i / half)));
        const cos = Math.fround(Math.cos(angle));
        const sin = Math.fround(Math.sin(angle));
        for (let head = 0; head < heads; head++) {
          const at = (token * heads + head) * headDim + i;
          const a = x.data[at]!;
          const b = x.data[at + half]!;
          out[at] = Math.fround(a * cos) - Math.fround(b * sin);
          out[at + half] = Math.fround(b * cos) + Math.fround(a * sin);
        }
      }
    }
    return new Tensor(out, x.shape);
  }
}
