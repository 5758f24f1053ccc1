import type { FusedQkNormCall, HeadLayout } from "@qknorm/core";
import type { CudaStorage } from "./cuda/storage.ts";
import type { Device } from "./device.ts";
import { bytesOf, type Dtype, type Storage } from "./dtype.ts";
import { capacityOf, memoryOf } from "./memory.ts";
import { lastAxisIsDense } from "./ops/checks.ts";
import { lastElement } from "./strides.ts";
import { Tensor } from "./tensor.ts";

type Call = FusedQkNormCall<Tensor>;

/** A weight or a bias, and what never changes of where it lies. */
interface AffineFit {
  readonly values: Tensor;
  readonly memory: object;
  /** The index of its last element. */
  readonly last: number;
}

/**
 * What two tensors must have in common with those of a call that was checked in full, so that all of its checks hold for
 * them too: dtype, device, shapes, strides, and where they lie to one another. The number of tokens is free where it
 * cannot make anything overlap. Nothing but comparisons of fields: this runs on every call of every layer.
 */
export class QkNormFit {
  readonly q: SideFit;
  readonly k: SideFit;
  readonly inPlace: boolean;
  readonly dtype: Dtype;
  readonly headDim: number;
  readonly #device: Device;
  readonly #width: number;
  /** `null`: any number. */
  readonly #tokens: number | null;
  /** Elements from q to k in one memory; `null` for two memories. */
  readonly #apart: number | null;
  readonly #affine: readonly AffineFit[];

  /** `null` where the checks must be made each time: memory that is shared in a rare way. */
  static of(call: Call): QkNormFit | null {
    const { q, k, layout } = call;
    const qFit = SideFit.of(q, layout, layout.queryHeads);
    const kFit = SideFit.of(k, layout, layout.kvHeads);
    if (qFit === null || kFit === null) return null;
    const affine = [call.qSpec, call.kSpec].flatMap(({ weight, bias }) => [weight, bias]).filter(Tensor.is);
    if (call.allowInplace) {
      const written = [memoryOf(q.storage), memoryOf(k.storage)];
      if (q.storage !== k.storage && written[0] === written[1]) return null;
      if (affine.some(({ storage }) => written.includes(memoryOf(storage)))) return null;
    }
    const fit = new QkNormFit(call, qFit, kFit, [...new Set(affine)]);
    return fit.tokens(q, k) === layout.tokens ? fit : null;
  }

  private constructor({ q, k, layout, allowInplace }: Call, qFit: SideFit, kFit: SideFit, affine: Tensor[]) {
    this.q = qFit;
    this.k = kFit;
    this.inPlace = allowInplace;
    this.dtype = q.dtype;
    this.headDim = layout.headDim;
    this.#device = q.device;
    this.#width = bytesOf[q.dtype];
    this.#apart = q.storage === k.storage ? k.offset - q.offset : null;
    this.#affine = affine.map((values) => ({
      values,
      memory: memoryOf(values.storage),
      last: lastElement(values),
    }));
    const free = qFit.separable && kFit.separable && (!allowInplace || this.#tokensInterleave());
    this.#tokens = free ? null : layout.tokens;
  }

  /** The tokens of q and k; 0 if they do not fit, or if memory of the call is gone. */
  tokens(q: unknown, k: unknown): number {
    if (!Tensor.is(q) || !Tensor.is(k)) return 0;
    if (q.dtype !== this.dtype || k.dtype !== this.dtype) return 0;
    if (q.device !== this.#device || k.device !== this.#device) return 0;
    const fixed = this.#tokens;
    const tokens = fixed ?? (q.shape[0] as number);
    if (fixed === null && q.shape[0] !== k.shape[0]) return 0;
    const from = fixed === null ? 1 : 0;
    if (!this.q.matches(q, from) || !this.k.matches(k, from)) return 0;
    if (!this.#holds(q, this.q.reach(q, tokens)) || !this.#holds(k, this.k.reach(k, tokens))) return 0;
    if (this.inPlace && !this.#liesAsBefore(q, k)) return 0;
    const affine = this.#affine;
    for (let i = 0; i < affine.length; i++) {
      const { values, last } = affine[i] as AffineFit;
      if (last >= capacityOf(values)) return 0;
    }
    return tokens;
  }

  /** Whether the memory of a tensor of this call's dtype and device has so many elements, and is there. */
  #holds({ storage }: Tensor, elements: number): boolean {
    if (this.#device === "cpu") return elements <= (storage as Storage).length;
    const { freed, bytes } = storage as CudaStorage;
    return !freed && elements * this.#width <= bytes;
  }

  /** What is written is apart from all else, as it was in the call. */
  #liesAsBefore(q: Tensor, k: Tensor): boolean {
    const packed = q.storage === k.storage;
    const mine = memoryOf(q.storage);
    const theirs = packed ? mine : memoryOf(k.storage);
    if (this.#apart !== null ? !packed || k.offset - q.offset !== this.#apart : mine === theirs) return false;
    const affine = this.#affine;
    for (let i = 0; i < affine.length; i++) {
      const { memory } = affine[i] as AffineFit;
      if (memory === mine || memory === theirs) return false;
    }
    return true;
  }

  /** In one memory, each token of k lies between two tokens of q, as in packed QKV: then any number of them may follow. */
  #tokensInterleave(): boolean {
    const { q, k } = this;
    const apart = this.#apart;
    if (apart === null) return true;
    const [first, second] = apart >= 0 ? [q, k] : [k, q];
    const gap = Math.abs(apart);
    return q.tokenStride === k.tokenStride && gap >= first.span && gap + second.span <= q.tokenStride;
  }
}

/** One tensor of a call, `[T, H, D]` in memory. Strides count elements; those that are never walked are 0. */
export class SideFit {
  readonly heads: number;
  readonly tokenStride: number;
  readonly headStride: number;
  /** Elements from the first of a token to behind its last. */
  readonly span: number;
  /** The first axis is that of the tokens, and they do not overlap, however many there are. */
  readonly separable: boolean;
  readonly #shape: readonly number[];
  readonly #strides: readonly number[];

  /** `null` when the heads have no single stride, or their last axis has gaps. */
  static of(x: Tensor, layout: HeadLayout, heads: number): SideFit | null {
    const view = x.tryView([layout.tokens, heads, layout.headDim]);
    return view !== null && lastAxisIsDense(view) ? new SideFit(x, view, layout) : null;
  }

  private constructor(x: Tensor, view: Tensor, { leading, tokens, headDim }: HeadLayout) {
    const [step, headStep] = view.strides as [number, number];
    this.heads = view.shape[1] as number;
    this.headStride = this.heads > 1 ? headStep : 0;
    this.span = Math.max(0, this.heads - 1) * this.headStride + headDim;
    this.separable = leading.length === 1 && (x.strides[0] as number) >= this.span;
    this.tokenStride = this.separable ? (x.strides[0] as number) : tokens > 1 ? step : 0;
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
