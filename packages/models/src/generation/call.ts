// What a caller hands over to have a text continued, looked at before any work.
import { QkNormError } from "@qknorm/core";
import { assertOptions } from "../checkpoint/options-argument.ts";
import { shown } from "../checkpoint/shown-value.ts";
import type { CausalLm } from "../families/causal-lm.ts";
import { Module } from "../layers/module.ts";

/** @throws ERR_GENERATION for what is no model; what `loadModel` returns has it in `model` */
export function assertModel(model: unknown): asserts model is CausalLm {
  const { forward, newCache } = (model ?? {}) as Partial<CausalLm>;
  const imitates = model instanceof Module && !Module.is(model);
  if (typeof forward === "function" && typeof newCache === "function" && !imitates) return;
  const inside = typeof (model as { model?: unknown } | null | undefined)?.model === "object";
  const hint = inside ? "; what `loadModel` returns has it: pass its `model`" : "";
  refuse(`the model must be one that \`loadModel\` made, got ${shown(model)}${hint}`);
}

/** @throws ERR_GENERATION for what is no list of token ids; which ids a model knows is not looked at */
export function assertPrompt(prompt: unknown): asserts prompt is readonly number[] {
  if (Array.isArray(prompt) || (ArrayBuffer.isView(prompt) && "length" in prompt)) return;
  const hint = typeof prompt === "string" ? "; the tokenizer's `encode` makes them of a text" : "";
  refuse(`the prompt must be an array of token ids, got ${shown(prompt)}${hint}`);
}

/** @throws ERR_GENERATION for options of other types than `GenerateOptions` has; `maxTokens` is not looked at */
export function assertTextOptions(options: unknown): void {
  assertOptions(options);
  const { sample, stopIds, signal, onTrace } = options as Record<string, unknown>;
  if (onTrace !== undefined && typeof onTrace !== "function")
    refuse(`onTrace must be a function, got ${shown(onTrace)}`);
  if (sample !== undefined && typeof sample !== "function")
    refuse(`sample must be a function, as \`createSampler\` makes, got ${shown(sample)}`);
  if (stopIds !== undefined && !Array.isArray(stopIds))
    refuse(`stopIds must be an array of token ids, got ${shown(stopIds)}`);
  const unlike = ((stopIds ?? []) as unknown[]).find((id) => !Number.isSafeInteger(id));
  if (unlike !== undefined || (stopIds as unknown[] | undefined)?.includes(undefined))
    refuse(`a stop id must be an integer, got ${shown(unlike)}`);
  if (signal !== undefined && typeof (signal as Partial<AbortSignal> | null)?.aborted !== "boolean")
    refuse(`signal must be an AbortSignal, got ${shown(signal)}`);
}

/** @throws ERR_GENERATION for options that are no object, or without the size of the cache; the numbers are not looked at */
export function assertBatchOptions(options: unknown): void {
  const { cache } = (options ?? {}) as { cache?: unknown };
  if (typeof cache === "object" && cache !== null) return;
  refuse(
    `options must hold the cache's size, as { cache: { bytes: 2 ** 30 } }, got ${shown(cache ?? options)}`,
  );
}

function refuse(problem: string): never {
  throw new QkNormError("ERR_GENERATION", problem);
}
