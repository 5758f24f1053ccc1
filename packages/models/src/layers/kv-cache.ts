import { QkNormError } from "@qknorm/core";
import { type Device, type FloatDtype, keep, Tensor } from "@qknorm/tensor";
import { StateCache } from "./state-cache.ts";

/** What one cache holds. */
export interface KvCacheShape {
  readonly layers: number;
  readonly dtype: FloatDtype;
  readonly device?: Device | undefined;
  /** The longest context of the model, in tokens. */
  readonly maxPositions: number;
}

/**
 * Keys and values of the tokens so far, for one sequence: `[S, Hkv, D]` per layer, doubled when full. Hkv and D may
 * differ between layers. Layers that keep something else have it in `states`.
 */
export class KvCache {
  /** Tokens whose keys and values every layer has. */
  length = 0;
  readonly states: StateCache;
  readonly #shape: KvCacheShape;
  readonly #keys: (Tensor | undefined)[];
  readonly #values: (Tensor | undefined)[];

  constructor(shape: KvCacheShape) {
    this.#shape = shape;
    this.states = new StateCache(shape.dtype, shape.device);
    this.#keys = new Array(shape.layers).fill(undefined);
    this.#values = new Array(shape.layers).fill(undefined);
  }

  /**
   * Stores `k` and `v` `[T, Hkv, D]` of new tokens and returns all keys and values of the layer, from token 0 on
   * (longer than the tokens stored: the rest is unwritten capacity).
   */
  append(layer: number, k: Tensor, v: Tensor): [keys: Tensor, values: Tensor] {
    return [this.#store(this.#keys, layer, k), this.#store(this.#values, layer, v)];
  }

  /** All keys and values of a layer that stored its new ones; throws `ERR_GENERATION` for one that stored none. */
  of(layer: number): [keys: Tensor, values: Tensor] {
    const [keys, values] = [this.#keys[layer], this.#values[layer]];
    if (keys !== undefined && values !== undefined) return [keys, values];
    throw new QkNormError("ERR_GENERATION", `layer ${layer} has stored no keys and values`);
  }

  /** Counts new tokens, once all layers have stored theirs. */
  advance(tokens: number): void {
    this.length += tokens;
  }

  /** Throws `ERR_GENERATION` when that many more tokens do not fit in the model's context. */
  assertRoom(tokens: number): void {
    const { maxPositions } = this.#shape;
    if (this.length + tokens > maxPositions) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${this.length + tokens} tokens do not fit in the model's context of ${maxPositions}`,
      );
    }
  }

  /** Frees what it holds on a device. */
  dispose(): void {
    for (const tensor of [...this.#keys, ...this.#values]) tensor?.dispose();
    this.states.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #store(tensors: (Tensor | undefined)[], layer: number, rows: Tensor): Tensor {
    const needed = this.length + rows.dim(0);
    let tensor = tensors[layer];
    if (tensor === undefined || tensor.dim(0) < needed) {
      const { maxPositions } = this.#shape;
      const capacity = Math.min(maxPositions, Math.max(64, 2 ** Math.ceil(Math.log2(needed))));
      const grown = this.#empty(Math.max(capacity, needed), rows);
      if (tensor !== undefined) grown.slice(0, 0, tensor.dim(0)).copyFrom(tensor);
      tensor?.dispose();
      tensors[layer] = tensor = grown;
    }
    tensor.slice(0, this.length, needed).copyFrom(rows);
    return tensor;
  }

  // It outlives the step that made it.
  #empty(positions: number, rows: Tensor): Tensor {
    const { dtype, device } = this.#shape;
    return keep(Tensor.zeros([positions, rows.dim(1), rows.dim(2)], dtype, device));
  }
}
