import type { NormRounding } from "@qknorm/core";
import { type Indices, keep, type RopeTable, rope, Tensor } from "@qknorm/tensor";
import type { RopeParameters } from "../checkpoint/rope-parameters.ts";
import type { LayerOptions } from "./module.ts";
import { lengthOfFirstFrequencies, ropeFrequencies } from "./rope-frequencies.ts";

/** The angles of positions below `cos.dim(0)`, for sequences of some lengths. */
interface AngleTable extends RopeTable<Tensor> {
  /** Sequences from so many tokens... */
  readonly fromTokens: number;
  /** ...to so many have these angles. */
  readonly toTokens: number;
}

/**
 * Rotary positions for all layers of a model: the angle tables, grown as positions come up. Where frequencies depend on
 * the length of the sequence ("dynamic", "longrope"), that is the bound of the positions: keys that were rotated before
 * stay as they are, as in transformers.
 */
export class RotaryEmbedding {
  readonly #rope: RopeParameters;
  readonly #rotaryDim: number;
  readonly #rounding: NormRounding;
  readonly #device: LayerOptions["device"];
  #table: AngleTable | null = null;

  /** @param rotaryDim values of a head that are rotated, even */
  constructor(
    parameters: RopeParameters,
    rotaryDim: number,
    options: Pick<LayerOptions, "rounding" | "device">,
  ) {
    this.#rope = parameters;
    this.#rotaryDim = rotaryDim;
    this.#rounding = options.rounding;
    this.#device = options.device;
  }

  /** Rotates `x [T, H, D]` in place, one position a token. */
  apply(x: Tensor, positions: Indices): void {
    rope(x, this.#tableOf(positions.bound), positions, this.#rounding);
  }

  #tableOf(tokens: number): AngleTable {
    const known = this.#table;
    if (
      known !== null &&
      known.cos.dim(0) >= tokens &&
      known.fromTokens <= tokens &&
      tokens <= known.toTokens
    )
      return known;
    this.#table = this.#tabulate(tokens);
    keep(this.#table.cos);
    keep(this.#table.sin);
    known?.cos.dispose();
    known?.sin.dispose();
    return this.#table;
  }

  // As transformers makes them: products in f32, cos and sin of the f32 angle.
  #tabulate(tokens: number): AngleTable {
    const { inverse, attentionFactor } = ropeFrequencies(this.#rope, this.#rotaryDim, tokens);
    const positions = 2 ** Math.ceil(Math.log2(Math.max(tokens, 64)));
    const half = inverse.length;
    const cos = new Float32Array(positions * half);
    const sin = new Float32Array(positions * half);
    for (const [i, frequency] of inverse.entries()) {
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        cos[position * half + i] = Math.fround(Math.cos(angle)) * attentionFactor;
        sin[position * half + i] = Math.fround(Math.sin(angle)) * attentionFactor;
      }
    }
    const there = (table: Float32Array) => Tensor.from(table, [positions, half], "f32", this.#device);
    return { cos: there(cos), sin: there(sin), ...this.#lengthsLike(tokens) };
  }

  /** The lengths whose frequencies are those of `tokens`. */
  #lengthsLike(tokens: number): { readonly fromTokens: number; readonly toTokens: number } {
    const first = lengthOfFirstFrequencies(this.#rope);
    if (tokens <= first) return { fromTokens: 0, toTokens: first };
    if (this.#rope.type === "dynamic") return { fromTokens: tokens, toTokens: tokens };
    return { fromTokens: first + 1, toTokens: Number.POSITIVE_INFINITY };
  }
}
