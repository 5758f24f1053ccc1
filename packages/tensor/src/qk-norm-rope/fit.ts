import type { HeadLayout } from "@qknorm/core";
import type { QkNormRopeCall } from "../backend.ts";
import { Indices } from "../indices.ts";
import { QkNormFit, SideFit } from "../qk-norm/fit.ts";
import { Tensor } from "../tensor.ts";
import type { CheckedChain } from "./checks.ts";

/**
 * What the operands of a chain must have in common with those of one that was checked in full: `QkNormFit` of q and k, v
 * like them, one position and one slot a token, positions within the tables.
 */
export class QkNormRopeFit {
  readonly #norms: QkNormFit;
  readonly #v: ValueFit | null;
  readonly #places: number;
  readonly #slots: boolean;

  /** `null` where the checks must be made each time. */
  static of(
    tensors: {
      readonly q: Tensor;
      readonly k: Tensor;
      readonly v: Tensor | null;
      readonly layout: HeadLayout;
    },
    { call, norms, settled, places }: CheckedChain,
  ): QkNormRopeFit | null {
    const fit = QkNormFit.of(tensors, norms, settled);
    if (fit === null) return null;
    const { v } = tensors;
    const regions = settled.map(({ memory }) => memory.region);
    if (v !== null && regions.includes(v.memory.region)) return null;
    if (!call.inPlace && [tensors.q, tensors.k].some(({ memory }) => regions.includes(memory.region))) {
      return null;
    }
    return new QkNormRopeFit(fit, v === null ? null : new ValueFit(tensors, v, call, regions), call, places);
  }

  private constructor(norms: QkNormFit, v: ValueFit | null, call: QkNormRopeCall, places: number) {
    this.#norms = norms;
    this.#v = v;
    this.#places = call.rope === null ? -1 : places;
    this.#slots = call.write !== null;
  }

  /** The tokens of the operands; 0 if they do not fit. */
  tokens(q: Tensor, k: Tensor, v: Tensor | null, positions: unknown, slots: unknown): number {
    const tokens = this.#norms.tokens(q, k);
    if (tokens === 0 || (v === null) !== (this.#v === null)) return 0;
    if (v !== null && !(this.#v as ValueFit).holds(q, k, v, tokens)) return 0;
    if (this.#places >= 0) {
      if (!Indices.is(positions) || positions.length !== tokens || positions.bound > this.#places) return 0;
    }
    if (this.#slots && !(Indices.is(slots) && slots.length === tokens)) return 0;
    return tokens;
  }
}

/** v, which is read while q and k may be written and the cache is. */
class ValueFit {
  readonly #side: SideFit;
  readonly #tokens: number | null;
  readonly #apartFromQ: number | null;
  readonly #apartFromK: number | null;
  readonly #inPlace: boolean;
  /** Of what is written or read elsewhere: v may lie in none of them. */
  readonly #others: readonly object[];

  constructor(
    { q, k, layout }: { readonly q: Tensor; readonly k: Tensor; readonly layout: HeadLayout },
    v: Tensor,
    call: QkNormRopeCall,
    others: readonly object[],
  ) {
    const side = (call.write as NonNullable<QkNormRopeCall["write"]>).v;
    this.#side = new SideFit(v, layout, side);
    this.#inPlace = call.inPlace;
    this.#others = others;
    this.#apartFromQ = apart(q, v);
    this.#apartFromK = apart(k, v);
    const [qSide, kSide] = [new SideFit(q, layout, call.q), new SideFit(k, layout, call.k)];
    const free =
      this.#side.mayGrow &&
      (!call.inPlace ||
        (interleave(qSide, this.#side, this.#apartFromQ) && interleave(kSide, this.#side, this.#apartFromK)));
    this.#tokens = free ? null : call.tokens;
  }

  holds(q: Tensor, k: Tensor, v: Tensor, tokens: number): boolean {
    if (!Tensor.is(v) || v.dtype !== q.dtype || v.memory.backend !== q.memory.backend) return false;
    const fixed = this.#tokens;
    if (fixed !== null && fixed !== tokens) return false;
    if (!this.#side.matches(v, fixed === null ? 1 : 0)) return false;
    if (fixed === null && v.shape[0] !== tokens) return false;
    if (this.#side.reach(v, tokens) > v.memory.capacity(v.dtype)) return false;
    const others = this.#others;
    for (let i = 0; i < others.length; i++) if (others[i] === v.memory.region) return false;
    if (!this.#inPlace) {
      for (let i = 0; i < others.length; i++) {
        if (others[i] === q.memory.region || others[i] === k.memory.region) return false;
      }
      return true;
    }
    return liesAs(q, v, this.#apartFromQ) && liesAs(k, v, this.#apartFromK);
  }
}

/** Elements from x to v in one memory; `null` for two. */
function apart(x: Tensor, v: Tensor): number | null {
  return x.memory === v.memory ? v.offset - x.offset : null;
}

function liesAs(x: Tensor, v: Tensor, before: number | null): boolean {
  if (before === null) return x.memory.region !== v.memory.region;
  return x.memory === v.memory && v.offset - x.offset === before;
}

/** In one memory, each token of one lies between two tokens of the other, however many there are. */
function interleave(x: SideFit, v: SideFit, distance: number | null): boolean {
  if (distance === null) return true;
  const [first, second] = distance >= 0 ? [x, v] : [v, x];
  const gap = Math.abs(distance);
  const { tokenStride } = first;
  return tokenStride === second.tokenStride && gap >= first.span && gap + second.span <= tokenStride;
}
