import { QkNormError } from "@qknorm/core";
import { attention, type CacheDtype, type Device, type FloatDtype, Tensor, writeCache } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import { assertNumber, assertObject, assertSizes, refuse } from "./layer-arguments.ts";
import { assertCacheDtype, copyLayer, disposeLayer, newLayer, writeScalesOf } from "./layer-cache.ts";
import { type CarriedState, StateCache } from "./state-cache.ts";
import {
  type AttentionCache,
  type KvHeads,
  type LayerCache,
  type LayerSpan,
  type Step,
  tokensOf,
} from "./step.ts";

/** What one cache holds. */
export interface KvCacheShape {
  readonly layers: number;
  /** Of what layers carry in place of keys. */
  readonly dtype: FloatDtype;
  /** Of keys and values. Default: `dtype`. */
  readonly cacheDtype?: CacheDtype | undefined;
  readonly device?: Device | undefined;
  /** The longest context of the model, in tokens. */
  readonly maxPositions: number;
}

/**
 * Keys and values of the tokens so far, for one sequence: `[S, Hkv, D]` per layer, token `i` in slot `i`, doubled when
 * full. Hkv and D may differ between layers. Layers that keep something else have it in `states`.
 */
export class KvCache implements AttentionCache {
  /** Tokens whose keys and values every layer has. */
  length = 0;
  readonly states: StateCache;
  readonly #shape: KvCacheShape & { readonly cacheDtype: CacheDtype };
  readonly #layers: (LayerCache | undefined)[];
  #capacity = 0;
  #disposed = false;

  /** Throws `ERR_QKNORM_ARGUMENT` for a shape without the number of layers or positions, `ERR_QKNORM_DTYPE` for a dtype. */
  constructor(shape: KvCacheShape) {
    assertObject(shape, "the shape of a cache");
    const { layers, dtype, cacheDtype = dtype, maxPositions } = shape;
    assertSizes({ layers }, 0);
    assertSizes({ maxPositions }, 1);
    assertCacheDtype(cacheDtype);
    this.#shape = { ...shape, cacheDtype };
    this.states = new StateCache(shape.dtype, shape.device);
    this.#layers = new Array(layers).fill(undefined);
  }

  /** Whether a value is a cache that the constructor made. */
  static is(value: unknown): value is KvCache {
    return typeof value === "object" && value !== null && #shape in value;
  }

  /** Where its memory lies; absent for where tensors lie by themselves. */
  get device(): Device | undefined {
    return this.#shape.device;
  }

  /** S: tokens that fit before the memory of the layers has to be made anew. */
  get capacity(): number {
    return this.#capacity;
  }

  /**
   * Makes room for that many tokens after those that it holds; what a graph reads stays where it is while they fit.
   *
   * @throws ERR_GENERATION when they do not fit in the model's context, `ERR_QKNORM_ARGUMENT` for no number of tokens
   */
  reserve(tokens: number): void {
    this.assertRoom(tokens);
    const needed = this.length + tokens;
    if (needed <= this.#capacity) return;
    const doubled = Math.max(64, 2 ** Math.ceil(Math.log2(needed)));
    this.#capacity = Math.max(needed, Math.min(this.#shape.maxPositions, doubled));
  }

  of(layer: number, heads?: KvHeads): LayerCache {
    if (this.#disposed) throw new QkNormError("ERR_GENERATION", "this cache was disposed");
    assertNumber(layer, "a layer");
    const held = this.#layers[layer];
    if (held !== undefined && held.keys.dim(0) >= this.#capacity) return held;
    if (held === undefined && heads === undefined) {
      throw new QkNormError("ERR_GENERATION", `layer ${shown(layer)} has stored no keys and values`);
    }
    const [, kvHeads, headDim] = (held?.keys.shape ?? [0, heads?.kvHeads, heads?.headDim]) as number[];
    const sizes = { kvHeads: kvHeads as number, headDim: headDim as number };
    const { cacheDtype: dtype, device } = this.#shape;
    // Without the memory for more the old one stays.
    const grown = newLayer({ dtype, device }, this.#capacity, sizes);
    if (held !== undefined) {
      copyLayer(held, grown);
      disposeLayer(held);
    }
    this.#layers[layer] = grown;
    return grown;
  }

  write(layer: number, k: Tensor, v: Tensor, step: Step): void {
    assertObject(step, "a step");
    if (!Tensor.is(k)) refuse("k must be a Tensor", k);
    const held = this.of(layer, { kvHeads: k.dim(1), headDim: k.dim(2) });
    writeCache(k, v, held.keys, held.values, step.slots, writeScalesOf(held));
  }

  attend(layer: number, q: Tensor, step: Step, span: LayerSpan): Tensor {
    assertObject(step, "a step");
    const { keys, values, scales } = this.of(layer);
    return attention(q, keys, values, { ...span, past: step.past, scales });
  }

  carried(state: CarriedState, step: Step): Tensor {
    return this.states.advance(state, this.length, tokensOf(step));
  }

  advance(step: Step): void {
    this.length += tokensOf(step);
  }

  /**
   * Says how many tokens every layer has, after passes that nobody called, as those of a graph. Throws `ERR_QKNORM_ARGUMENT` for
   * no number of tokens.
   */
  holds(tokens: number): void {
    assertSizes({ tokens }, 0);
    this.length = tokens;
    this.states.holds(tokens);
  }

  /**
   * Throws `ERR_GENERATION` when that many more tokens do not fit in the model's context, `ERR_QKNORM_ARGUMENT` for no number of
   * tokens.
   */
  assertRoom(tokens: number): void {
    if (!Number.isSafeInteger(tokens) || tokens < 0) assertSizes({ tokens }, 0);
    const { maxPositions } = this.#shape;
    if (this.length + tokens > maxPositions) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${this.length + tokens} tokens do not fit in the model's context of ${maxPositions}`,
      );
    }
  }

  /** Frees what it holds; using it afterwards throws `ERR_GENERATION`. Twice is allowed. */
  dispose(): void {
    for (const layer of this.#layers.splice(0)) if (layer !== undefined) disposeLayer(layer);
    this.states.dispose();
    this.#disposed = true;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
