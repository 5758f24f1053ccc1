import { type AttentionOptions, type CacheScales, Indices, type Tensor } from "@qknorm/tensor";
import { refuse } from "./layer-arguments.ts";
import type { CarriedState } from "./state-cache.ts";
import { ForwardTrace } from "./trace.ts";

/**
 * What every layer needs to know of one forward pass: the new tokens and where they stand. All of it may lie on a device,
 * where a captured graph reads it anew at each replay.
 */
export interface Step {
  /** `[T]`. */
  readonly ids: Indices;
  /** `[T]`: where each token stands in its sequence. */
  readonly positions: Indices;
  /** `[T]`: the row of the cache's memory that each token's keys and values go to. */
  readonly slots: Indices;
  /** One number: how many tokens of the sequence came before. A batch has lengths of its own. */
  readonly past: Indices;
  /** The sequences of a step that has more than one, or whose keys lie in pages. */
  readonly batch?: StepBatch;
  readonly cache: AttentionCache;
  readonly trace: ForwardTrace | null;
  /** `none`: every token of the pass sees all of them. Default: as each layer says. */
  readonly mask?: "none";
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no step: three looks, which a pass can afford. */
export function assertStep(step: unknown): asserts step is Step {
  const { cache, positions, trace } = (step ?? {}) as Partial<Step>;
  if (typeof cache?.of !== "function" || !Indices.is(positions)) refuse(`${A_STEP} made`, step);
  if (trace !== null && !ForwardTrace.is(trace))
    refuse("the trace of a step must be a ForwardTrace or null", trace);
}

/** How many tokens a step has. Throws `ERR_QKNORM_ARGUMENT` for what is no step. */
export function tokensOf(step: Pick<Step, "ids">): number {
  const { ids } = (step ?? {}) as Partial<Step>;
  return Indices.is(ids) ? ids.length : refuse(`${A_STEP} made`, step);
}

const A_STEP = "a step must be one that `nextStep` or a cache's `step`";

/** The sequences of a step, one after the other in its tokens. */
export interface StepBatch {
  /** `[B + 1]`: where the tokens of each begin, and T. */
  readonly queryStarts: Indices;
  /** `[B]`: keys of each, those of the step included. */
  readonly lengths: Indices;
  /** `[B * P]`, row-major: the pages of each in order; what is past its length is not read. */
  readonly pages: Indices;
  /** No sequence has more tokens in the step. */
  readonly mostQueries: number;
  /** `[B]`: the last token of each, whose logits are wanted. */
  readonly lastRows: Indices;
}

/** Keys and values of one layer as they lie in memory. */
export interface LayerCache {
  /** `[S, Hkv, D]`: one row a slot. */
  readonly keys: Tensor;
  readonly values: Tensor;
  /** Of keys and values of e4m3: f32 `[S, Hkv]`. */
  readonly scales: CacheScales<Tensor> | null;
}

/** The numbers of an attention call that are the layer's own; where its tokens stand, the step says. */
export type LayerSpan = Omit<AttentionOptions, "past" | "scales">;

/**
 * Where the attention layers of a model keep keys and values: those of one sequence (`KvCache`), or of many in pages
 * (`PagedKvCache`). A layer writes the rows of its new tokens, by `write` or through a kernel that is given `of(layer)`
 * and the slots of the step, and then attends.
 */
export interface AttentionCache {
  /**
   * The memory of a layer, made when it is first asked for with the sizes of its heads. It has room for the step's tokens.
   *
   * @throws ERR_GENERATION without sizes, for a layer that was never given any
   */
  of(layer: number, heads?: KvHeads): LayerCache;
  /** Puts `k` and `v` `[T, Hkv, D]` of the step's tokens into its slots. */
  write(layer: number, k: Tensor, v: Tensor, step: Step): void;
  /** `[T, Hq, D]`: queries `[T, Hq, D]` of the step over the keys of their sequences, those of the step included. */
  attend(layer: number, q: Tensor, step: Step, span: LayerSpan): Tensor;
  /**
   * What a layer without keys carries from token to token, for it to overwrite.
   *
   * @throws ERR_GENERATION where sequences share the cache, or the step before did not end
   */
  carried(state: CarriedState, step: Step): Tensor;
  /** Counts the tokens of a step, once all layers have stored theirs. */
  advance(step: Step): void;
}

/** Hkv and D of a layer. */
export interface KvHeads {
  readonly kvHeads: number;
  readonly headDim: number;
}
