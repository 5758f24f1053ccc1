// A case of the norm and the formula's answer in f64: random numbers in packed rows [q | k | v] with free strides.
import { type FloatDtype, type NormSpec, referenceNorm, roundTo } from "@qknorm/core";
import { alignmentOf, type CudaNormForm, type CudaNormSide } from "../../src/index.ts";
import { type Bits, decoder, encodeAll, normal, sizeOf } from "../numbers.ts";

/** What differs from: bf16 RMS norm with bf16 weights, one rounding, in place. */
export type FormChoice = Partial<Omit<CudaNormForm, "alignment" | "weightAlignment">>;

export interface Shape {
  readonly tokens: number;
  /** Query heads and KV heads. */
  readonly heads: readonly [number, number];
  /** Elements from one head to the next; dense by default. */
  readonly headStride?: number;
  /** Elements that everything is shifted by, away from 16 bytes. */
  readonly shift?: number;
  /** One weight row per head in place of one for all. */
  readonly perHead?: boolean;
  readonly seed?: number;
}

export const plain: Omit<CudaNormForm, "alignment" | "weightAlignment"> = {
  headDim: 128,
  dtype: "bf16",
  kind: "rms",
  weight: "bf16",
  bias: null,
  weightOffset: 0,
  rounding: "once",
  inPlace: true,
};

const eps = [1e-6, 1e-5] as const;
/** The numbers of a case on the host, and how they lie. */
export class NormCase {
  readonly form: CudaNormForm;
  readonly shape: Shape;
  readonly before: Bits;
  readonly #weights: readonly (Bits | null)[];
  readonly #biases: readonly (Bits | null)[];
  readonly #headStride: number;
  readonly #tokenStride: number;
  readonly #start: number;
  readonly #known = new Map<number, { mean: number; scale: number }>();
  #starts: readonly (readonly number[])[] | null = null;

  constructor(choice: FormChoice, shape: Shape) {
    const chosen = { ...plain, ...choice };
    const { headDim, dtype } = chosen;
    const { tokens, heads, headStride = headDim, shift = 0, perHead = false, seed = 1 } = shape;
    this.shape = shape;
    this.#headStride = headStride;
    this.#tokenStride = (heads[0] + 2 * heads[1]) * headStride;
    this.#start = 64 + shift;
    const size = sizeOf(dtype);
    const offsets = [this.#start, headStride, this.#tokenStride].map((n) => n * size);
    this.form = { ...chosen, alignment: alignmentOf(...offsets), weightAlignment: 16 };
    if (dtype === "f32" && this.form.alignment === 2) throw new Error("f32 is never split");
    const random = normal(seed * 7919 + tokens);
    const randomWeight = normal(seed * 104_729); // the same for any number of tokens
    const shifted = chosen.kind === "layer" ? 0.5 : 0;
    this.before = encodeAll(
      dtype,
      this.#start + tokens * this.#tokenStride + 64,
      () => 2 * random() + shifted,
    );
    const rows = (count: number) => (perHead ? count : 1) * headDim;
    const scale = chosen.weightOffset === 1 ? 0.3 : 1;
    const { weight, bias } = chosen;
    this.#weights = heads.map((n) => weight && encodeAll(weight, rows(n), () => scale * randomWeight()));
    this.#biases = heads.map((n) => bias && encodeAll(bias, rows(n), randomWeight));
  }

  /** The whole buffer after the norm, in f64 arithmetic; what no output belongs to is as `background`. */
  expected(background: Bits = this.before): Bits {
    const { headDim, dtype, weightOffset, rounding, kind, weight: weightDtype, bias: biasDtype } = this.form;
    const y = background.slice();
    for (const side of [0, 1] as const) {
      const heads = this.shape.heads[side];
      const list = (bits: Bits | null, of: FloatDtype | null): number[] | null =>
        bits === null || of === null ? null : Array.from(bits, decoder(of));
      const spec = {
        ...{ kind, axis: "head", eps: eps[side], weightOffset, rounding },
        weight: list(this.#weights[side] as Bits | null, weightDtype),
        bias: list(this.#biases[side] as Bits | null, biasDtype),
      } as NormSpec<number[]>;
      const rows = this.#rowStarts(side);
      const x = rows.flatMap((at) => Array.from(this.before.subarray(at, at + headDim), decoder(dtype)));
      const y64 = referenceNorm({ x, heads, headDim, spec, dtype });
      const normed = encodeAll(dtype, x.length, (i) => y64[i] as number);
      rows.forEach((at, row) => {
        y.set(normed.subarray(row * headDim, (row + 1) * headDim), at);
      });
    }
    return y;
  }

  /**
   * What an element may be, before the last rounding: with rounding "hf" more than one value where the arithmetic comes
   * so near to a tie of a 16-bit format that f32 may break it to the other side. The roundings of f32 are no coarser than
   * the arithmetic, and counted with it.
   */
  candidates(element: number): Candidate[] {
    const { headDim, dtype, rounding, weightOffset, weight: weightDtype, bias: biasDtype } = this.form;
    const { side, head, start } = this.#rowOf(element);
    const { mean, scale } = this.#statistics(start, side);
    const at = (bits: Bits | null | undefined, of: FloatDtype | null): number | null =>
      bits && of
        ? decoder(of)(bits[((this.shape.perHead ? head : 0) * headDim + element - start) % bits.length]!)
        : null;
    const weight = at(this.#weights[side], weightDtype);
    const gain = weight === null ? 1 : weightOffset + weight;
    const bias = at(this.#biases[side], biasDtype);
    const own = decoder(dtype)(this.before[element] as number);
    const spread = scale * (Math.abs(own) + Math.abs(mean));
    const roundings = (value: number, of: number) =>
      rounding === "hf" && dtype !== "f32" ? bothSides(dtype, value, of) : [value];
    return roundings((own - mean) * scale, spread)
      .flatMap((n) => (bias === null ? [n * gain] : roundings(n * gain, spread * Math.abs(gain))))
      .map((product) => ({
        value: product + (bias ?? 0),
        terms: spread * Math.abs(gain) + Math.abs(bias ?? 0),
      }));
  }

  /** 1 for each element of the buffer that belongs to q or k. */
  owned(): Uint8Array {
    const mask = new Uint8Array(this.before.length);
    for (const side of [0, 1] as const) {
      for (const at of this.#rowStarts(side)) mask.fill(1, at, at + this.form.headDim);
    }
    return mask;
  }

  /** Both tensors of the launch, as `CudaQkNorm` and `CudaRowNorm` want them; `start` in bytes. */
  sides(): [CaseSide, CaseSide] {
    const { dtype, weight, bias, headDim } = this.form;
    const size = sizeOf(dtype);
    const affine = weight ?? bias;
    const sideOf = (index: 0 | 1): CaseSide => ({
      view: {
        heads: this.shape.heads[index],
        eps: eps[index],
        tokenStride: this.#tokenStride * size,
        headStride: this.#headStride * size,
        outTokenStride: this.#tokenStride * size,
        outHeadStride: this.#headStride * size,
        weightHeadStride: this.shape.perHead && affine ? headDim * sizeOf(affine) : 0,
      },
      start: (this.#start + index * this.shape.heads[0] * this.#headStride) * size,
      weights: this.#weights[index] ?? null,
      biases: this.#biases[index] ?? null,
    });
    return [sideOf(0), sideOf(1)];
  }

  #statistics(start: number, side: 0 | 1): { mean: number; scale: number } {
    const known = this.#known.get(start);
    if (known !== undefined) return known;
    const { headDim, dtype, kind } = this.form;
    const x = Array.from(this.before.subarray(start, start + headDim), decoder(dtype));
    const mean = kind === "layer" ? sum(x) / headDim : 0;
    const squares = sum(x.map((value) => (value - mean) ** 2));
    const least = eps[side] as number;
    const divisor =
      kind === "unit"
        ? Math.max(Math.sqrt(squares), least)
        : Math.sqrt((kind === "l2" ? squares : squares / headDim) + least);
    const scale = 1 / divisor;
    this.#known.set(start, { mean, scale });
    return { mean, scale };
  }

  #rowOf(element: number): { side: 0 | 1; head: number; start: number } {
    for (const side of [0, 1] as const) {
      const rows = this.#rowStarts(side);
      const row = lastNotAbove(rows, element);
      const start = rows[row] ?? Number.NaN;
      if (element < start + this.form.headDim) return { side, head: row % this.shape.heads[side], start };
    }
    throw new Error(`element ${element} is neither q's nor k's`);
  }

  /** Where each row of a tensor starts, in order. */
  #rowStarts(side: 0 | 1): readonly number[] {
    this.#starts ??= ([0, 1] as const).map((which) => {
      const heads = this.shape.heads[which];
      const first = this.#start + which * this.shape.heads[0] * this.#headStride;
      return Array.from(
        { length: this.shape.tokens * heads },
        (_, row) => first + Math.floor(row / heads) * this.#tokenStride + (row % heads) * this.#headStride,
      );
    });
    return this.#starts[side] as readonly number[];
  }
}

export interface CaseSide {
  readonly view: CudaNormSide;
  /** In bytes. */
  readonly start: number;
  readonly weights: Bits | null;
  readonly biases: Bits | null;
}

/** A value in f64, and the size of the terms that it was made of. */
export interface Candidate {
  readonly value: number;
  readonly terms: number;
}

/** Both numbers of a format that a value may round to if it is off by 2^-20 of `size`. */
function bothSides(dtype: FloatDtype, value: number, size: number): number[] {
  const error = 2 ** -20 * size;
  return [...new Set([value - error, value + error].map((near) => roundTo(dtype, near)))];
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** The index of the last of ascending numbers that is no more than `limit`; -1 if all are. */
function lastNotAbove(ascending: readonly number[], limit: number): number {
  let [below, above] = [-1, ascending.length];
  while (above - below > 1) {
    const middle = (below + above) >> 1;
    if ((ascending[middle] as number) <= limit) below = middle;
    else above = middle;
  }
  return below;
}
