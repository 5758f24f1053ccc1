import type { FusedQkNormCall, HeadLayout } from "@qknorm/core";
import type { Memory, NormSide, QkNormCall, TensorView } from "../backend.ts";
import type { Dtype } from "../dtype.ts";
import { lastElement } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import { mayGrow, spanOf } from "./side.ts";

/** A weight or a bias, and what never changes of where it lies. */
interface AffinePlace {
  readonly values: TensorView;
  readonly region: object;
  /** The index of its last element. */
  readonly last: number;
}

/**
 * What two tensors must have in common with those of a call that was checked in full, so that all of its checks hold for
 * them too: dtype, device, shapes, strides, and where they lie to one another. The number of tokens is free where it
 * cannot make anything overlap. Nothing but comparisons of fields: this runs on every call of every layer.
 */
export class QkNormFit {
  readonly inPlace: boolean;
  readonly #q: SideFit;
  readonly #k: SideFit;
  readonly #dtype: Dtype;
  readonly #backend: Memory["backend"];
  /** `null`: any number. */
  readonly #tokens: number | null;
  /** Elements from q to k in one memory; `null` for two memories. */
  readonly #apart: number | null;
  readonly #affine: readonly AffinePlace[];

  /**
   * `null` where the checks must be made each time: memory that is shared in a rare way. `settled` are tensors of the call
   * besides the norms' weights that never change, and lie apart from q and k.
   */
  static of(
    { q, k, layout }: Pick<FusedQkNormCall<Tensor>, "q" | "k" | "layout">,
    call: QkNormCall,
    settled: readonly TensorView[] = [],
  ): QkNormFit | null {
    const weights = [call.q.spec, call.k.spec].flatMap(({ weight, bias }) =>
      [weight, bias ?? null].flatMap((values) => (values === null ? [] : [values])),
    );
    const affine = [...weights, ...settled];
    if (call.inPlace) {
      const written = [q.memory.region, k.memory.region];
      if (q.memory !== k.memory && written[0] === written[1]) return null;
      if (affine.some(({ memory }) => written.includes(memory.region))) return null;
    }
    const fit = new QkNormFit(call, new SideFit(q, layout, call.q), new SideFit(k, layout, call.k), [
      ...new Set(affine),
    ]);
    return fit.tokens(q, k) === layout.tokens ? fit : null;
  }

  private constructor(call: QkNormCall, q: SideFit, k: SideFit, affine: readonly TensorView[]) {
    const [first, second] = [call.q.x, call.k.x];
    this.inPlace = call.inPlace;
    this.#q = q;
    this.#k = k;
    this.#dtype = call.dtype;
    this.#backend = first.memory.backend;
    this.#apart = first.memory === second.memory ? second.offset - first.offset : null;
    this.#affine = affine.map((values) => ({
      values,
      region: values.memory.region,
      last: lastElement(values),
    }));
    const free = q.mayGrow && k.mayGrow && (!call.inPlace || this.#tokensInterleave());
    this.#tokens = free ? null : call.tokens;
  }

  /** The tokens of q and k; 0 if they do not fit, or if memory of the call is gone. */
  tokens(q: Tensor, k: Tensor): number {
    if (!Tensor.is(q) || !Tensor.is(k)) return 0;
    if (q.dtype !== this.#dtype || k.dtype !== this.#dtype) return 0;
    if (q.memory.backend !== this.#backend || k.memory.backend !== this.#backend) return 0;
    if (this.#backend.closed) return 0;
    const fixed = this.#tokens;
    const tokens = fixed ?? (q.shape[0] as number);
    if (fixed === null && q.shape[0] !== k.shape[0]) return 0;
    const from = fixed === null ? 1 : 0;
    if (!this.#q.matches(q, from) || !this.#k.matches(k, from)) return 0;
    if (this.#q.reach(q, tokens) > q.memory.capacity(this.#dtype)) return 0;
    if (this.#k.reach(k, tokens) > k.memory.capacity(this.#dtype)) return 0;
    if (this.inPlace && !this.#liesAsBefore(q, k)) return 0;
    const affine = this.#affine;
    for (let i = 0; i < affine.length; i++) {
      const { values, last } = affine[i] as AffinePlace;
      if (last >= values.memory.capacity(values.dtype)) return 0;
    }
    return tokens;
  }

  /** What is written is apart from all else, as it was in the call. */
  #liesAsBefore(q: Tensor, k: Tensor): boolean {
    const packed = q.memory === k.memory;
    const mine = q.memory.region;
    const theirs = packed ? mine : k.memory.region;
    if (this.#apart !== null ? !packed || k.offset - q.offset !== this.#apart : mine === theirs) return false;
    const affine = this.#affine;
    for (let i = 0; i < affine.length; i++) {
      const { region } = affine[i] as AffinePlace;
      if (region === mine || region === theirs) return false;
    }
    return true;
  }

  /**
   * In one memory, q and k of a token lie in a row of their own, as in packed QKV: then any number of them may follow, as far
   * apart as in the call that was checked.
   */
  #tokensInterleave(): boolean {
    const apart = this.#apart;
    if (apart === null) return true;
    const [first, second] = apart >= 0 ? [this.#q, this.#k] : [this.#k, this.#q];
    const { tokenStride } = first;
    return tokenStride === second.tokenStride && Math.abs(apart) + second.span <= tokenStride;
  }
}

/** One tensor of a call. Strides count elements. */
export class SideFit {
  readonly tokenStride: number;
  /** Elements from the first of a token to behind its last. */
  readonly span: number;
  readonly mayGrow: boolean;
  readonly #shape: readonly number[];
  readonly #strides: readonly number[];

  constructor(x: Tensor, layout: HeadLayout, { heads, tokenStride, headStride }: Omit<NormSide, "spec">) {
    this.tokenStride = tokenStride;
    this.span = spanOf(heads, headStride, layout.headDim);
    this.mayGrow = mayGrow(x, layout, heads, headStride);
    this.#shape = x.shape;
    this.#strides = x.strides;
  }

  /** Elements from the first of its memory to behind the last of a tensor. */
  reach(x: Tensor, tokens: number): number {
    return x.offset + (tokens - 1) * this.tokenStride + this.span;
  }

  /** Whether a tensor has these strides and, from axis `from` on, this shape. */
  matches(x: Tensor, from: number): boolean {
    const shape = this.#shape;
    const strides = this.#strides;
    const rank = shape.length;
    if (x.shape.length !== rank) return false;
    for (let axis = 0; axis < rank; axis++) {
      if (x.strides[axis] !== strides[axis]) return false;
      if (axis >= from && x.shape[axis] !== shape[axis]) return false;
    }
    return true;
  }
}
