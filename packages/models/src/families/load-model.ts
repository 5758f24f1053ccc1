import type { NormRounding, QkNormOptions } from "@qknorm/core";
import type { Device, FloatDtype } from "@qknorm/tensor";
import { type LoadProgress, openCheckpoint } from "../checkpoint/checkpoint.ts";
import { readConfig } from "../checkpoint/config.ts";
import { type GenerationConfig, readGenerationConfig } from "../checkpoint/generation-config.ts";
import { loadWeights, weightDtypeOf } from "../checkpoint/load-weights.ts";
import type { CausalLm } from "./causal-lm.ts";
import { modelFamily } from "./registry.ts";

/** How to load and run a model. */
export interface LoadOptions {
  /** Where the model runs; open it before. Default: the CPU. */
  readonly device?: Device | undefined;
  /** Dtype of activations and KV cache. Default: the checkpoint's. */
  readonly dtype?: FloatDtype | undefined;
  /** Default `hf`, which agrees with transformers bit for bit most of the time; `once` is more exact. */
  readonly rounding?: NormRounding | undefined;
  /** Options of every `applyQkNorm` call of the model. */
  readonly qkNorm?: QkNormOptions | undefined;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
}

/** A model ready to run, and what its folder says about generating with it. */
export interface LoadedModel {
  readonly model: CausalLm;
  readonly modelType: string;
  readonly dtype: FloatDtype;
  readonly generation: GenerationConfig;
}

/**
 * Loads a Hugging Face model folder: config.json, generation_config.json and the safetensors weights.
 *
 * Throws `ERR_CHECKPOINT`, in one sentence, for anything missing, broken or not supported.
 */
export function loadModel(dir: string, options: LoadOptions = {}): LoadedModel {
  const { modelType, raw } = readConfig(dir);
  const family = modelFamily(modelType);
  const checkpoint = openCheckpoint(
    dir,
    options.onProgress === undefined ? {} : { onProgress: options.onProgress },
  );
  try {
    const dtype = options.dtype ?? configDtype(raw) ?? weightDtypeOf(checkpoint, "f32");
    const model = family.create(raw, {
      device: options.device,
      dtype,
      weightDtype: weightDtypeOf(checkpoint, dtype),
      rounding: options.rounding ?? "hf",
      qkNorm: options.qkNorm ?? {},
    });
    loadWeights(model, checkpoint, family, raw);
    return { model, modelType, dtype, generation: readGenerationConfig(dir, raw) };
  } finally {
    checkpoint.close();
  }
}

function configDtype(raw: Readonly<Record<string, unknown>>): FloatDtype | null {
  switch (raw.dtype ?? raw.torch_dtype) {
    case "bfloat16":
      return "bf16";
    case "float16":
      return "f16";
    case "float32":
      return "f32";
    default:
      return null;
  }
}
