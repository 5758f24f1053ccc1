import { QkNormError } from "@qknorm/core";
import { convert } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import { nextStep } from "../layers/step.ts";
import { argmax, type Sampler } from "./sampling.ts";
import { ForwardTrace } from "./trace.ts";

/** How to continue a prompt. */
export interface GenerateOptions {
  /** Default: the most likely token. */
  readonly sample?: Sampler | undefined;
  /** Tokens that end the text; they are not yielded. */
  readonly stopIds?: readonly number[] | undefined;
  /** Default: as many as fit in the context. */
  readonly maxTokens?: number | undefined;
  /** Receives the trace of every forward pass. */
  readonly onTrace?: ((trace: ForwardTrace) => void) | undefined;
}

/**
 * Continues a prompt, one token id at a time: prefill of all prompt tokens, then one decode step a token.
 *
 * Ends at a stop id, after `maxTokens`, or when the context is full. Throws `ERR_GENERATION` before any work when the
 * prompt is empty or does not fit in the context.
 */
export function generate(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): Generator<number, void, undefined> {
  const { maxTokens = Number.POSITIVE_INFINITY } = options;
  if (prompt.length === 0) throw new QkNormError("ERR_GENERATION", "the prompt is empty");
  if (prompt.length > model.maxPositions) {
    throw new QkNormError(
      "ERR_GENERATION",
      `the prompt has ${prompt.length} tokens; the model's context is ${model.maxPositions}`,
    );
  }
  if (!(maxTokens >= 0)) {
    throw new QkNormError("ERR_GENERATION", `maxTokens must be a number >= 0, got ${String(maxTokens)}`);
  }

  return continuation(model, prompt, { ...options, maxTokens });
}

function* continuation(
  model: CausalLm,
  prompt: readonly number[],
  { sample = argmax, stopIds = [], maxTokens, onTrace }: GenerateOptions & { readonly maxTokens: number },
): Generator<number, void, undefined> {
  const cache = model.newCache();
  const seen = new Set(prompt);
  let next: readonly number[] = prompt;
  for (let count = 0; count < maxTokens && cache.length + next.length <= model.maxPositions; count++) {
    const trace = onTrace === undefined ? null : new ForwardTrace();
    const logits = convert(model.forward(nextStep(next, cache, trace)), "f32");
    trace?.finish();
    if (trace !== null) onTrace?.(trace);
    const token = sample(logits.data as Float32Array, seen);
    if (stopIds.includes(token)) return;
    yield token;
    seen.add(token);
    next = [token];
  }
}
