import { type NormRounding, QkNormError, type QkNormOptions } from "@qknorm/core";
import { type CacheDtype, cacheDtypes, type Device, type FloatDtype, freeOnFailure } from "@qknorm/tensor";
import type { LoadProgress } from "../checkpoint/checkpoint.ts";
import { readConfig } from "../checkpoint/config.ts";
import { type GenerationConfig, readGenerationConfig } from "../checkpoint/generation-config.ts";
import { loadWeights, weightDtypeOf } from "../checkpoint/load-weights.ts";
import { openModelWeights, type Purpose } from "../checkpoint/model-weights.ts";
import { requireOutline } from "../checkpoint/outline.ts";
import { requireRoom } from "../checkpoint/room.ts";
import { shown } from "../checkpoint/shown-value.ts";
import { assertObject } from "../layers/layer-arguments.ts";
import type { CausalLm } from "./causal-lm.ts";
import { modelFamily } from "./model-types.ts";
import { readPooling, TextEmbedder } from "./text-embedder.ts";

/** How to load and run a model. */
export interface LoadOptions {
  /** Where the model runs; open it before. Default: the CPU. */
  readonly device?: Device | undefined;
  /** Dtype of activations. Default: the checkpoint's. */
  readonly dtype?: FloatDtype | undefined;
  /**
   * Of keys and values in caches. Default: `dtype`. `e4m3` takes half the memory of bf16, less 4 bytes a token and head for its
   * scale; it is the OCP's (PyTorch's `float8_e4m3fn`), and the other flavour, `e4m3fnuz`, is refused.
   */
  readonly cacheDtype?: CacheDtype | undefined;
  /** Default `hf`, which agrees with transformers bit for bit most of the time; `once` is more exact. */
  readonly rounding?: NormRounding | undefined;
  /** Options of every `applyQkNorm` call of the model. */
  readonly qkNorm?: QkNormOptions | undefined;
  /** `apart`: QK norm, RoPE and the write to the cache are calls of their own, to compare. Default `auto`. */
  readonly chain?: "auto" | "apart" | undefined;
  /** Tokens of a block, where the model decodes by blocks; 1 for a causal mask. Default: as the config says. */
  readonly blockLength?: number | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** What a folder holds, whatever it is loaded for. */
interface Loaded {
  readonly modelType: string;
  readonly dtype: FloatDtype;
  /** What was ignored, merged or computed on the way; one sentence each, for the user to read. */
  readonly warnings: readonly string[];
}

/** A model ready to run, and what its folder says about generating with it. */
export interface LoadedModel extends Loaded {
  readonly model: CausalLm;
  readonly generation: GenerationConfig;
}

/** A model that turns texts into vectors. */
export interface LoadedEmbedder extends Loaded {
  readonly embedder: TextEmbedder;
}

/**
 * Loads a Hugging Face model folder: config.json, generation_config.json, the safetensors weights, and a LoRA adapter
 * where one lies beside them.
 *
 * On a device that reads files, weights go there past the memory of JavaScript. Whatever is thrown, also by `onProgress`,
 * frees what was made until then.
 *
 * Throws `ERR_QKNORM_ARGUMENT` for options that are none; `ERR_CHECKPOINT`, in one sentence, for anything missing, broken or not supported; `ERR_CUDA`, before anything is
 * copied, for a model that does not fit on its device.
 */
export function loadModel(dir: string, options: LoadOptions = {}): LoadedModel {
  const { model, raw, ...loaded } = load(dir, "logits", options);
  const generation = readGenerationConfig(dir, raw);
  return { ...loaded, model, generation, warnings: [...loaded.warnings, ...generation.warnings] };
}

/**
 * Loads a model folder for its embeddings: the model without a head, pooled as `1_Pooling/config.json` says (the last
 * token where there is none) and normalised. Throws as `loadModel` does.
 */
export function loadEmbedder(dir: string, options: LoadOptions = {}): LoadedEmbedder {
  const pooling = readPooling(dir);
  const { model, raw: _, ...loaded } = load(dir, "embeddings", options);
  return { ...loaded, embedder: new TextEmbedder(model, pooling) };
}

function readCacheDtype(asked: CacheDtype | undefined): CacheDtype | undefined {
  if (asked === undefined || cacheDtypes.includes(asked)) return asked;
  throw new QkNormError(
    "ERR_QKNORM_DTYPE",
    `a cache is of ${cacheDtypes.join(", ")}, got ${shown(asked)}; e4m3 is the OCP's (float8_e4m3fn), whose patterns the other flavour (e4m3fnuz) reads as half their values`,
  );
}

function load(
  dir: string,
  purpose: Purpose,
  options: LoadOptions,
): Loaded & { readonly model: CausalLm; readonly raw: Readonly<Record<string, unknown>> } {
  assertObject(options, "the options of a model");
  const { modelType, raw } = readConfig(dir);
  const warnings: string[] = [];
  const warn = (sentence: string): void => {
    warnings.push(sentence);
  };
  const blueprint = modelFamily(modelType).read(raw, warn);
  const opened = openModelWeights(dir, blueprint, { purpose, onProgress: options.onProgress, warn });
  try {
    const { weights, tiesHead } = opened;
    requireOutline(weights, blueprint.outline, dir);
    const dtype = options.dtype ?? blueprint.dtype ?? weightDtypeOf(weights, "f32");
    const weightDtype = weightDtypeOf(weights, dtype);
    requireRoom(weights, weightDtype, options.device, dir);
    const asked = {
      device: options.device,
      dtype,
      cacheDtype: readCacheDtype(options.cacheDtype),
      weightDtype,
      rounding: options.rounding ?? "hf",
      qkNorm: options.qkNorm ?? {},
      chain: options.chain ?? "auto",
      ...(options.blockLength !== undefined && { blockLength: options.blockLength }),
      tiesHead,
    };
    const model = freeOnFailure(() => {
      const made = blueprint.create(asked);
      loadWeights(made, weights, dir);
      return made;
    });
    return { model, modelType, dtype, raw, warnings };
  } finally {
    opened.close();
  }
}
