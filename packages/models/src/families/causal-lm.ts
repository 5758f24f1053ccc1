import type { QkNormOptions } from "@qknorm/core";
import type { FloatDtype, Tensor } from "@qknorm/tensor";
import type { KvCache } from "../layers/kv-cache.ts";
import type { LayerOptions, Module } from "../layers/module.ts";
import type { Step } from "../layers/step.ts";

/** How a model is to run; what its checkpoint says comes from its config. */
export interface ModelOptions extends LayerOptions {
  /** Dtype of activations and of the KV cache. */
  readonly dtype: FloatDtype;
  /** Options of every `applyQkNorm` call of the model. */
  readonly qkNorm?: QkNormOptions;
}

/** Which rows of the logits a caller wants. */
export type LogitRows = "last" | "all";

/** A decoder-only language model, whatever its family. */
export interface CausalLm extends Module {
  /** `[1, V]` for the last token of the step, or `[T, V]` for all. Counts the step's tokens into its cache. */
  forward(step: Step, rows?: LogitRows): Tensor;
  newCache(): KvCache;
  readonly maxPositions: number;
}

/** One family of models: how its config is read and its weights are found. */
export interface ModelFamily {
  /** `model_type` in config.json. */
  readonly modelType: string;
  create(rawConfig: Readonly<Record<string, unknown>>, options: ModelOptions): CausalLm;
  /** Checkpoint tensors that the model does without, such as a redundant `lm_head.weight` of a tied model. */
  ignores(tensorName: string, rawConfig: Readonly<Record<string, unknown>>): boolean;
}
