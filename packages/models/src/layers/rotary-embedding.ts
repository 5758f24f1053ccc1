import { isCapturing, type NormRounding, QkNormError, type RopeSpec as RotationSpec } from "@qknorm/core";
import {
  convert,
  type FloatDtype,
  Indices,
  keep,
  type RopeLayout,
  type RopeTable,
  rope,
  settle,
  Tensor,
} from "@qknorm/tensor";
import type { RopeParameters } from "../checkpoint/rope-parameters.ts";
import { assertObject, assertRounding, assertSizes, refuse } from "./layer-arguments.ts";
import type { LayerOptions } from "./module.ts";
import { lengthOfFirstFrequencies, ropeFrequencies } from "./rope-frequencies.ts";

/** Rotary positions of one kind of layer. */
export interface RopeSpec {
  readonly parameters: RopeParameters;
  /**
   * R: frequencies are made for so many values of a head, `theta^(-2i / R)`. They are rotated, and one more where R is odd;
   * the last ones stay. 0: all stay.
   */
  readonly rotaryDim: number;
  /** The model's context: positions are below it. What the scaling stretches it to, as `contextLength` says. */
  readonly maxPositions: number;
  /** Default `halves`. */
  readonly layout?: RopeLayout;
  /**
   * `hf`, the default: cos, sin, both products and their sum round to the dtype. `once`: the result alone. `once-rounded`:
   * the result, from cos and sin that are rounded (Cohere).
   */
  readonly rounding?: NormRounding | "once-rounded";
  /** Default 1; -1 turns the other way (nanochat). */
  readonly direction?: 1 | -1;
}

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
  readonly #spec: RopeSpec;
  readonly #rope: RopeParameters;
  readonly #rounding: NormRounding;
  readonly #device: LayerOptions["device"];
  #table: AngleTable | null = null;

  /** Throws `ERR_QKNORM_ARGUMENT` for a spec without parameters or sizes, and for options without a rounding. */
  constructor(spec: RopeSpec, options: Pick<LayerOptions, "rounding" | "device">) {
    assertObject(spec, "the spec of a rotary embedding");
    assertObject(spec.parameters, "the parameters of a rotary embedding");
    assertSizes({ rotaryDim: spec.rotaryDim }, 0);
    assertSizes({ maxPositions: spec.maxPositions }, 1);
    assertRounding(options);
    this.#spec = spec;
    this.#rope = spec.parameters;
    this.#rounding = spec.rounding === undefined || spec.rounding === "hf" ? options.rounding : "once";
    this.#device = options.device;
  }

  /** The angles of these positions and the rounding, as data; null where nothing turns. Throws as `apply` does. */
  tables(positions: Indices, dtype: FloatDtype): RotationSpec<Tensor> | null {
    assertPositions(positions);
    const table = this.#tableOf(positions.bound, dtype);
    return table.cos.dim(1) === 0 ? null : { ...table, rounding: this.#rounding };
  }

  /**
   * Rotates `x [T, H, D]` in place, one position a token. Throws `ERR_QKNORM_ARGUMENT` for what is no tensor or no positions,
   * `ERR_QKNORM_SHAPE` for positions beyond the context, before a table is made, and what `rope` throws.
   */
  apply(x: Tensor, positions: Indices): void {
    if (!Tensor.is(x)) refuse("what is rotated must be a Tensor", x);
    assertPositions(positions);
    rope(x, this.#tableOf(positions.bound, x.dtype as FloatDtype), positions, this.#rounding);
  }

  /** Whether sequences of these lengths, and all between, have the same angles. Throws `ERR_QKNORM_ARGUMENT` for no lengths. */
  keepsAngles(fromTokens: number, toTokens: number): boolean {
    if (typeof fromTokens !== "number" || typeof toTokens !== "number")
      assertSizes({ fromTokens, toTokens }, 0);
    const first = lengthOfFirstFrequencies(this.#rope);
    return toTokens <= first || (this.#rope.type !== "dynamic" && fromTokens > first);
  }

  /** Frees the tables, which are made anew when they are asked for again. */
  dispose(): void {
    this.#table?.cos.dispose();
    this.#table?.sin.dispose();
    this.#table = null;
  }

  #tableOf(tokens: number, dtype: FloatDtype): AngleTable {
    const { maxPositions } = this.#spec;
    if (tokens > maxPositions) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `position ${tokens - 1} is beyond the model's context of ${maxPositions}`,
      );
    }
    const known = this.#table;
    if (
      known !== null &&
      known.cos.dim(0) >= tokens &&
      known.fromTokens <= tokens &&
      tokens <= known.toTokens
    )
      return known;
    this.#table = this.#tabulate(tokens, dtype);
    const { cos, sin } = this.#table;
    keep(cos);
    keep(sin);
    // Nothing writes to them again. To say so waits for the device, which a capture may not.
    if (!isCapturing()) settle([cos, sin]);
    known?.cos.dispose();
    known?.sin.dispose();
    return this.#table;
  }

  // As transformers makes them: products in f32, cos and sin of the f32 angle.
  #tabulate(tokens: number, dtype: FloatDtype): AngleTable {
    const { inverse, attentionFactor } = ropeFrequencies(this.#rope, this.#spec.rotaryDim, tokens);
    const grown = 2 ** Math.ceil(Math.log2(Math.max(tokens, 64)));
    const positions = Math.min(grown, this.#spec.maxPositions);
    const half = inverse.length;
    const { direction = 1, layout = "halves" } = this.#spec;
    const [cos, sin] = [roomFor(positions * half), roomFor(positions * half)];
    for (const [i, frequency] of inverse.entries()) {
      for (let position = 0; position < positions; position++) {
        const angle = Math.fround(position * frequency);
        cos[position * half + i] = Math.fround(Math.cos(angle)) * attentionFactor;
        sin[position * half + i] = Math.fround(Math.sin(angle)) * attentionFactor * direction;
      }
    }
    const there = (table: Float32Array) => {
      const exact = Tensor.from(table, [positions, half], "f32");
      const rounded = this.#spec.rounding === "once-rounded" ? convert(convert(exact, dtype), "f32") : exact;
      return rounded.to(this.#device ?? rounded.device);
    };
    return { layout, cos: there(cos), sin: there(sin), ...this.#lengthsLike(tokens) };
  }

  /** The lengths whose frequencies are those of `tokens`. */
  #lengthsLike(tokens: number): { readonly fromTokens: number; readonly toTokens: number } {
    const first = lengthOfFirstFrequencies(this.#rope);
    if (tokens <= first) return { fromTokens: 0, toTokens: first };
    if (this.#rope.type === "dynamic") return { fromTokens: tokens, toTokens: tokens };
    return { fromTokens: first + 1, toTokens: Number.POSITIVE_INFINITY };
  }
}

/** Throws `ERR_QKNORM_SHAPE` for more angles than there is memory for. */
function roomFor(angles: number): Float32Array {
  try {
    return new Float32Array(angles);
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `there is no memory for a table of ${angles} angles`, {
      cause,
    });
  }
}

function assertPositions(positions: unknown): asserts positions is Indices {
  if (!Indices.is(positions)) refuse("positions must be Indices", positions);
}

/** The tables of a model: one for all layers of a kind. */
export class RotaryTables {
  readonly #options: Pick<LayerOptions, "rounding" | "device">;
  readonly #tables = new Map<RopeSpec, RotaryEmbedding>();

  /** Throws `ERR_QKNORM_ARGUMENT` for options without a rounding. */
  constructor(options: Pick<LayerOptions, "rounding" | "device">) {
    assertRounding(options);
    this.#options = options;
  }

  /** Whether sequences of these lengths, and all between, have the same angles in every layer. */
  keepsAngles(fromTokens: number, toTokens: number): boolean {
    return [...this.#tables.values()].every((table) => table.keepsAngles(fromTokens, toTokens));
  }

  dispose(): void {
    for (const table of this.#tables.values()) table.dispose();
  }

  /** That of the very same spec. */
  of(spec: RopeSpec): RotaryEmbedding {
    const table = this.#tables.get(spec) ?? new RotaryEmbedding(spec, this.#options);
    this.#tables.set(spec, table);
    return table;
  }
}
