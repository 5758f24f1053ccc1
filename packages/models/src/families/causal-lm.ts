import type { QkNormOptions } from "@qknorm/core";
import type { CacheDtype, FloatDtype, Tensor } from "@qknorm/tensor";
import type { BlockFp8 } from "../checkpoint/block-fp8.ts";
import type { JsonObject } from "../checkpoint/json-file.ts";
import type { KnownKeys } from "../checkpoint/known-keys.ts";
import type { Outline } from "../checkpoint/outline.ts";
import type { Warn } from "../checkpoint/warnings.ts";
import type { Weights } from "../checkpoint/weights.ts";
import type { KvCache } from "../layers/kv-cache.ts";
import type { LayerOptions, Module } from "../layers/module.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step } from "../layers/step.ts";

/** How a model is to run; what its checkpoint says comes from its config. */
export interface ModelOptions extends LayerOptions {
  /** Dtype of activations. */
  readonly dtype: FloatDtype;
  /** Of keys and values in caches; e4m3 is the OCP's, with a scale a token and head. Default: `dtype`. */
  readonly cacheDtype?: CacheDtype | undefined;
  /** Options of every `applyQkNorm` call of the model. */
  readonly qkNorm?: QkNormOptions;
  /** `apart`: QK norm, RoPE and the write to the cache are calls of their own, to compare. Default `auto`. */
  readonly chain?: "auto" | "apart";
  /** Tokens of a block, where the model decodes by blocks; 1 for a causal mask. Default: as the config says. */
  readonly blockLength?: number;
  /** The logits come from the embedding. Default: as the config says. */
  readonly tiesHead?: boolean;
}

/** How large a paged cache is: by its memory, or by its pages. */
export type PagedCacheSize = ({ readonly bytes: number } | { readonly pages: number }) & {
  /** Tokens of a page; default 16. */
  readonly pageSize?: number;
};

/** Which rows of the logits a caller wants. */
export type LogitRows = "last" | "all";

/** A decoder-only language model, whatever its family. */
export interface CausalLm extends Module {
  /** `[1, V]` for the last token of the step, of a batch `[B, V]`, or `[T, V]` for all. Counts the step's tokens into its cache. */
  forward(step: Step, rows?: LogitRows): Tensor;
  /**
   * `forward` for the last token, in pieces that another may have a turn between: it yields after each layer, or
   * block, and returns the logits. What is left in the middle is of no use any more, nor is its cache.
   */
  forwardInPieces(step: Step): Generator<void, Tensor, undefined>;
  /** The last layer's output after the final norm, `[T, C]`. Counts the step's tokens into its cache. */
  hidden(step: Step): Tensor;
  /** Whether RoPE turns by the same angles in sequences of these lengths, and all between. */
  keepsAngles(fromTokens: number, toTokens: number): boolean;
  /** A cache for one sequence. */
  newCache(): KvCache;
  /**
   * A cache for many sequences, all of whose memory is taken at once.
   *
   * @throws ERR_GENERATION for a model with layers that carry a state instead, or that decodes by blocks, and a size without room for one page
   */
  newPagedCache(size: PagedCacheSize): PagedKvCache;
  /**
   * Frees the weights, and what else the model holds on its device. Its caches and batches are their own: dispose them before.
   * Afterwards forward passes and new caches throw `ERR_GENERATION`. Twice is allowed.
   */
  dispose(): void;
  readonly maxPositions: number;
  /** Token ids are below it. */
  readonly vocabSize: number;
}

/** A model as its config describes it, before anything of it is made. */
export interface Blueprint {
  /** What the checkpoint is held to first. */
  readonly outline: Outline;
  /** What the base model consists of, such as "layers"; some checkpoints have no "model." before these. */
  readonly baseParts: readonly string[];
  /** The config says that the logits come from the embedding. */
  readonly tiesHead: boolean;
  /** What the config says the weights are; null where it does not. */
  readonly dtype: FloatDtype | null;
  readonly quantization: BlockFp8 | null;
  /** The checkpoint's tensors as the model has them: renamed, without those that it has no use for, or split. */
  adapt(weights: Weights): Weights;
  /** The model with all parameters zero. */
  create(options: ModelOptions): CausalLm;
}

/** One family of models: how its config is read. */
export interface ModelFamily {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /** Keys of its config that would change the logits and are not done: what each asks for, by name. */
  readonly refused: KnownKeys["refused"];
  /** Throws `ERR_CHECKPOINT` for what the config asks and the family does not do; `warn` hears of ignored keys. */
  read(rawConfig: JsonObject, warn: Warn): Blueprint;
}
