import { existsSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { convert, tidy } from "@qknorm/tensor";
import { ConfigFields } from "../checkpoint/config-fields.ts";
import { readJsonObject } from "../checkpoint/json-file.ts";
import { pathIn } from "../checkpoint/model-folder.ts";
import { shown, shownList } from "../checkpoint/shown-value.ts";
import { assertModel } from "../generation/call.ts";
import { nextStep } from "../layers/sequence-step.ts";
import type { CausalLm } from "./causal-lm.ts";

/** Which of the tokens' vectors become the text's: one of them, or their mean. */
export type Pooling = "last" | "first" | "mean";

/** sentence-transformers' names of the modes. */
const MODES: Readonly<Record<string, Pooling>> = {
  pooling_mode_lasttoken: "last",
  pooling_mode_cls_token: "first",
  pooling_mode_mean_tokens: "mean",
};

/**
 * Reads `1_Pooling/config.json` of sentence-transformers; "last" where a folder has none, as Qwen3-Embedding pools.
 *
 * @throws ERR_CHECKPOINT for another way of pooling, by name, and for more than one
 */
export function readPooling(dir: string): Pooling {
  const path = pathIn(dir, "1_Pooling", "config.json");
  if (!existsSync(path)) return "last";
  const fields = new ConfigFields(readJsonObject(path), "1_Pooling/config.json");
  const asked = Object.keys(fields.raw).filter(
    (key) => key.startsWith("pooling_mode_") && fields.boolean(key, false),
  );
  const mode = MODES[asked[0] ?? ""];
  if (asked.length === 1 && mode !== undefined) return mode;
  throw new QkNormError(
    "ERR_CHECKPOINT",
    `1_Pooling/config.json: pools by ${shownList(asked) || "nothing"}; supported is one of ${Object.keys(MODES).join(", ")}`,
  );
}

/** Turns token ids into one vector: the hidden states after the final norm, pooled and normalised to length 1. */
export class TextEmbedder {
  readonly #model: CausalLm;
  readonly pooling: Pooling;

  /** Throws `ERR_GENERATION` for what is no model, or no way of pooling. */
  constructor(model: CausalLm, pooling: Pooling) {
    assertModel(model);
    if (!Object.values(MODES).includes(pooling))
      throw new QkNormError("ERR_GENERATION", `pooling must be last, first or mean, got ${shown(pooling)}`);
    this.#model = model;
    this.pooling = pooling;
  }

  get maxPositions(): number {
    return this.#model.maxPositions;
  }

  /** Frees what the model holds on a device; `embed` throws `ERR_GENERATION` from then on. Twice is allowed. */
  dispose(): void {
    this.#model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** f32 `[C]`. Throws `ERR_GENERATION` for no ids, or more than the context holds. */
  async embed(ids: readonly number[]): Promise<Float32Array> {
    const cache = this.#model.newCache();
    const step = nextStep(ids, cache);
    const hidden = tidy(() => convert(this.#model.hidden(step), "f32")); // [T, C]
    try {
      const values = (await hidden.read()) as Float32Array;
      return normalized(pooled(values, hidden.dim(1), this.pooling));
    } finally {
      hidden.dispose();
      cache.dispose();
    }
  }
}

function pooled(hidden: Float32Array, width: number, pooling: Pooling): Float32Array {
  if (pooling === "first") return hidden.slice(0, width);
  if (pooling === "last") return hidden.slice(hidden.length - width);
  const sum = new Float32Array(width);
  for (let i = 0; i < hidden.length; i++) sum[i % width] = (sum[i % width] as number) + (hidden[i] as number);
  return sum.map((value) => value / (hidden.length / width));
}

// As PyTorch's `normalize`: a zero vector stays one.
function normalized(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
  return vector.map((value) => value / Math.max(length, 1e-12));
}
