import { QkNormError } from "@qknorm/core";
import { type BlockFp8, dequantizedBlocks } from "./block-fp8.ts";
import { type LoadProgress, openCheckpoint } from "./checkpoint.ts";
import { openLoraAdapter } from "./lora-adapter.ts";
import { HEAD, settleTiedHead, withoutHead } from "./tied-head.ts";
import type { Warn } from "./warnings.ts";
import { withBasePrefix, withoutBuffers } from "./weight-names.ts";
import { type Weights, weightsOf } from "./weights.ts";

/** What a model is loaded for; embeddings need no head. */
export type Purpose = "logits" | "embeddings";

/** What a config says about the weights of its checkpoint. */
export interface WeightPlan {
  readonly baseParts: readonly string[];
  readonly tiesHead: boolean;
  readonly quantization: BlockFp8 | null;
  /** The checkpoint's tensors as the model has them. */
  adapt(weights: Weights): Weights;
}

export interface OpenOptions {
  readonly purpose: Purpose;
  readonly onProgress?: ((progress: LoadProgress) => void) | undefined;
  readonly warn: Warn;
}

/** The weights of a folder under the model's names, to be read until `close`. */
export interface ModelWeights {
  readonly weights: Weights;
  /** The logits come from the embedding. */
  readonly tiesHead: boolean;
  close(): void;
}

/**
 * Opens the weights of a model folder and makes them the model's, in this order: buffers left out, names made whole, FP8 blocks
 * made numbers, the family's own changes, the head settled, a LoRA adapter merged.
 *
 * @throws ERR_CHECKPOINT for weights that are missing or broken, an adapter that does not fit, and, for logits, a
 *   checkpoint without a head
 */
export function openModelWeights(
  dir: string,
  plan: WeightPlan,
  { purpose, onProgress, warn }: OpenOptions,
): ModelWeights {
  const checkpoint = openCheckpoint(dir, onProgress === undefined ? {} : { onProgress });
  let adapter: ReturnType<typeof openLoraAdapter> = null;
  const close = (): void => {
    checkpoint.close();
    adapter?.close();
  };
  try {
    for (const warning of checkpoint.warnings) warn(warning);
    adapter = openLoraAdapter(dir, plan.baseParts, warn);
    let weights = withBasePrefix(withoutBuffers(weightsOf(checkpoint)), plan.baseParts);
    if (plan.quantization !== null) {
      weights = dequantizedBlocks(weights, plan.quantization);
      warn("the FP8 weights are made full numbers as they are loaded; activations are not rounded to FP8");
    }
    const settled = settleHead(dir, plan.adapt(weights), plan, purpose, warn);
    return { ...settled, weights: adapter?.mergedInto(settled.weights) ?? settled.weights, close };
  } catch (error) {
    close();
    throw error;
  }
}

function settleHead(
  dir: string,
  weights: Weights,
  { tiesHead }: WeightPlan,
  purpose: Purpose,
  warn: Warn,
): { weights: Weights; tiesHead: boolean } {
  if (purpose === "embeddings") return { weights: withoutHead(weights), tiesHead: true };
  if (tiesHead) return settleTiedHead(weights, warn);
  if (weights.has(HEAD)) return { weights, tiesHead: false };
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `the checkpoint in ${dir} lacks ${HEAD}; if it is a model for embeddings, load it as one (--embed)`,
  );
}
