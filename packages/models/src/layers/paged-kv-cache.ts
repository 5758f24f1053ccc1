import { QkNormError } from "@qknorm/core";
import {
  type CacheDtype,
  type Device,
  Indices,
  pagedAttention,
  type Tensor,
  writeCache,
} from "@qknorm/tensor";
import {
  assertList,
  assertNumber,
  assertObject,
  assertObjectOrNull,
  assertSizes,
} from "./layer-arguments.ts";
import { assertCacheDtype, disposeLayer, newLayer, writeScalesOf } from "./layer-cache.ts";
import { PagePool } from "./page-pool.ts";
import type { AttentionCache, KvHeads, LayerCache, LayerSpan, Step, StepBatch } from "./step.ts";

/** What one paged cache holds. */
export interface PagedCacheShape {
  /** Of each layer; null for one that stores no keys of its own. */
  readonly layers: readonly (KvHeads | null)[];
  /** Of keys and values. */
  readonly dtype: CacheDtype;
  readonly device?: Device | undefined;
  /** The longest context of the model, in tokens. */
  readonly maxPositions: number;
  readonly pages: number;
  /** Tokens of a page. */
  readonly pageSize: number;
}

/** One sequence of a paged cache. */
export interface CachedSequence {
  /** Tokens whose keys and values every layer has. */
  readonly length: number;
  /** In order; the last ones may be reserved and empty. */
  readonly pages: readonly number[];
}

/** New tokens of one sequence. */
export interface SequenceTokens {
  readonly sequence: CachedSequence;
  readonly ids: ArrayLike<number>;
}

interface OpenSequence extends CachedSequence {
  length: number;
  pages: number[];
}

/**
 * Keys and values of many sequences, in pages of so many tokens: token `i` of a sequence is row `i % pageSize` of its
 * page `floor(i / pageSize)`, and a page's first slot is its number times the page size. All memory is taken at once.
 */
export class PagedKvCache implements AttentionCache {
  readonly pool: PagePool;
  /** The longest sequence, in tokens. */
  readonly maxPositions: number;
  /** Where its memory lies. */
  readonly device: Device | undefined;
  /** Null once it was disposed. */
  #layers: readonly (LayerCache | null)[] | null;
  readonly #open = new Set<CachedSequence>();
  readonly #stepped = new WeakMap<StepBatch, readonly (readonly [OpenSequence, number])[]>();

  /**
   * @throws ERR_GENERATION for a number of pages or a page size that is no integer from 1, `ERR_QKNORM_ARGUMENT` and
   *   `ERR_QKNORM_DTYPE` for the rest of the shape, and what `Tensor.zeros` does without that much memory
   */
  constructor(shape: PagedCacheShape) {
    assertObject(shape, "the shape of a paged cache");
    const { layers, dtype, device, maxPositions, pages, pageSize } = shape;
    assertList(layers, "the layers of a paged cache");
    for (const heads of layers) assertObjectOrNull(heads, "the heads of a layer");
    assertSizes({ maxPositions }, 1);
    assertCacheDtype(dtype);
    this.pool = new PagePool(pages, pageSize);
    this.maxPositions = maxPositions;
    this.device = device;
    const made: LayerCache[] = [];
    const layerOf = (heads: KvHeads): LayerCache => {
      const layer = newLayer({ dtype, device }, this.pool.slots, heads);
      made.push(layer);
      return layer;
    };
    try {
      this.#layers = layers.map((heads) => heads && layerOf(heads));
    } catch (error) {
      made.forEach(disposeLayer);
      throw error;
    }
  }

  /** A sequence joins, empty. */
  join(): CachedSequence {
    const sequence: OpenSequence = { length: 0, pages: [] };
    this.#open.add(sequence);
    return sequence;
  }

  /** A sequence leaves, and its pages are free. Twice is allowed. */
  leave(sequence: CachedSequence): void {
    if (!this.#open.delete(sequence)) return;
    this.pool.give(sequence.pages);
    (sequence as OpenSequence).pages = [];
  }

  /**
   * Gives a sequence the pages for so many tokens more.
   *
   * @throws ERR_GENERATION when they do not fit in the model's context, or too few pages are free
   */
  reserve(sequence: CachedSequence, tokens: number): void {
    const open = this.#opened(sequence);
    if (!Number.isSafeInteger(tokens) || tokens < 0) assertSizes({ tokens }, 0);
    const length = open.length + tokens;
    if (length > this.maxPositions) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${length} tokens do not fit in the model's context of ${this.maxPositions}`,
      );
    }
    const missing = this.pool.pagesFor(length) - open.pages.length;
    if (missing > 0) for (const page of this.pool.take(missing)) open.pages.push(page);
  }

  /**
   * A step of new tokens of some sequences, in this order. Pages are taken for all of them or for none.
   *
   * @throws ERR_GENERATION as `reserve` does, and for no sequences or one without tokens
   */
  step(tokens: readonly SequenceTokens[]): Step {
    assertList(tokens, "the sequences of a step");
    for (const added of tokens) {
      assertObject(added, "the tokens of a sequence");
      assertObject(added.ids, "the ids of a sequence");
    }
    if (tokens.length === 0 || tokens.some(({ ids }) => ids.length === 0)) {
      throw new QkNormError("ERR_GENERATION", "a forward pass needs at least one token of each sequence");
    }
    this.#reserveAll(tokens);
    const { pageSize } = this.pool;
    const [ids, positions, slots, starts]: number[][] = [[], [], [], [0]];
    for (const { sequence, ids: added } of tokens) {
      for (let i = 0; i < added.length; i++) {
        const position = sequence.length + i;
        ids!.push(added[i]!);
        positions!.push(position);
        slots!.push(sequence.pages[Math.floor(position / pageSize)]! * pageSize + (position % pageSize));
      }
      starts!.push(ids!.length);
    }
    const width = Math.max(...tokens.map(({ sequence }) => sequence.pages.length));
    const table = ({ pages }: CachedSequence) =>
      Array.from({ length: width }, (_, i) => pages[i] ?? this.pool.scratch);
    const batch: StepBatch = {
      queryStarts: Indices.from(starts!),
      lengths: Indices.from(tokens.map(({ sequence, ids: added }) => sequence.length + added.length)),
      pages: Indices.from(tokens.flatMap(({ sequence }) => table(sequence))),
      mostQueries: Math.max(...tokens.map(({ ids: added }) => added.length)),
      lastRows: Indices.from(starts!.slice(1).map((end) => end - 1)),
    };
    this.#stepped.set(
      batch,
      tokens.map(({ sequence, ids: added }) => [this.#opened(sequence), added.length]),
    );
    return {
      ids: Indices.from(ids!),
      positions: Indices.from(positions!),
      slots: Indices.from(slots!),
      past: Indices.from(tokens.map(({ sequence }) => sequence.length)),
      batch,
      cache: this,
      trace: null,
    };
  }

  of(layer: number): LayerCache {
    if (this.#layers === null) throw new QkNormError("ERR_GENERATION", "this cache was disposed");
    assertNumber(layer, "a layer");
    const held = this.#layers[layer];
    if (held != null) return held;
    throw new QkNormError("ERR_GENERATION", `layer ${layer} stores no keys and values`);
  }

  write(layer: number, k: Tensor, v: Tensor, step: Step): void {
    assertObject(step, "a step");
    const held = this.of(layer);
    writeCache(k, v, held.keys, held.values, step.slots, writeScalesOf(held));
  }

  attend(layer: number, q: Tensor, step: Step, span: LayerSpan): Tensor {
    assertObject(step, "a step");
    assertObject(step.batch, "the sequences of a step in pages");
    const { keys, values, scales } = this.of(layer);
    const { queryStarts, lengths, pages, mostQueries } = step.batch;
    const { pageSize } = this.pool;
    const sequences = { queryStarts, lengths, pages, pageSize, mostQueries };
    return pagedAttention(q, keys, values, { ...span, ...sequences, scales });
  }

  carried(): never {
    throw new QkNormError(
      "ERR_GENERATION",
      "layers that carry a state from token to token need a cache of one sequence",
    );
  }

  /** Counts the tokens of a step that this cache made. Twice counts them once. */
  advance(step: Step): void {
    assertObject(step, "a step");
    const { batch } = step;
    for (const [sequence, count] of this.#stepped.get(batch as StepBatch) ?? []) sequence.length += count;
    this.#stepped.delete(batch as StepBatch);
  }

  /** Frees what it holds; using it afterwards throws `ERR_GENERATION`. Twice is allowed. */
  dispose(): void {
    for (const layer of this.#layers ?? []) if (layer !== null) disposeLayer(layer);
    this.#layers = null;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #reserveAll(tokens: readonly SequenceTokens[]): void {
    const before = tokens.map(({ sequence }) => this.#opened(sequence).pages.length);
    try {
      for (const { sequence, ids } of tokens) this.reserve(sequence, ids.length);
    } catch (error) {
      for (const [i, { sequence }] of tokens.entries()) {
        this.pool.give((sequence as OpenSequence).pages.splice(before[i]!));
      }
      throw error;
    }
  }

  #opened(sequence: CachedSequence): OpenSequence {
    if (this.#open.has(sequence)) return sequence as OpenSequence;
    throw new QkNormError("ERR_GENERATION", "this sequence has left the cache, or is of another one");
  }
}
