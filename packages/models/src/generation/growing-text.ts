import { QkNormError } from "@qknorm/core";
import { shown } from "../checkpoint/shown-value.ts";
import type { CausalLm } from "../families/causal-lm.ts";
import { assertPrompt, assertTextOptions } from "./call.ts";
import { argmax, type Sampler } from "./sampling.ts";
import { LIKELIEST, type TokenDraw } from "./token-draw.ts";

/** How a text goes on, and when it ends. */
export interface TextOptions {
  /** Default: the most likely token. */
  readonly sample?: Sampler | undefined;
  /** Tokens that end the text; they are not yielded. */
  readonly stopIds?: readonly number[] | undefined;
  /** Default: as many as fit in the context. */
  readonly maxTokens?: number | undefined;
  /** Ends the text when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** One text as it grows: the ids so far, and whether another may come. It knows nothing of caches. */
export class GrowingText {
  /** The prompt, and what was chosen after it. */
  readonly ids: number[];
  /** Of `ids`, those of the prompt. */
  readonly promptTokens: number;
  readonly #options: TextOptions;
  readonly #maxTokens: number;
  readonly #maxPositions: number;
  #count = 0;

  /** @throws ERR_GENERATION for a prompt that is empty, does not fit, or has unknown ids, and for broken options */
  constructor(
    { maxPositions, vocabSize }: Pick<CausalLm, "maxPositions" | "vocabSize">,
    prompt: readonly number[],
    options: TextOptions,
  ) {
    assertPrompt(prompt);
    assertTextOptions(options);
    const { maxTokens = Number.POSITIVE_INFINITY } = options;
    const fail = (problem: string): never => {
      throw new QkNormError("ERR_GENERATION", problem);
    };
    if (prompt.length === 0) fail("the prompt is empty");
    if (prompt.length > maxPositions)
      fail(`the prompt has ${prompt.length} tokens; the model's context is ${maxPositions}`);
    const unknown = prompt.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= vocabSize);
    if (unknown !== undefined) fail(`token id ${shown(unknown)} is outside 0..${vocabSize - 1}`);
    if ((!Number.isSafeInteger(maxTokens) && maxTokens !== Number.POSITIVE_INFINITY) || maxTokens < 0)
      fail(`maxTokens must be an integer >= 0, or Infinity, got ${shown(maxTokens)}`);
    this.ids = [...prompt];
    this.promptTokens = prompt.length;
    this.#options = options;
    this.#maxTokens = maxTokens;
    this.#maxPositions = maxPositions;
  }

  /** Whether another token may be chosen after a pass over all of `ids`. */
  get goesOn(): boolean {
    return this.goesOnAfter(0);
  }

  /** The same once so many tokens more were chosen, none of which ends it. */
  goesOnAfter(tokens: number): boolean {
    if (this.#options.signal?.aborted === true) return false;
    return this.#count + tokens < this.#maxTokens && this.ids.length + tokens <= this.#maxPositions;
  }

  /** The next token by its logits `[V]`, which becomes part of the text; `null` at a stop id. */
  choose(logits: Float32Array): number | null {
    const { sample = argmax } = this.#options;
    return this.accept(sample(logits, this.ids));
  }

  /** What its tokens can be drawn by elsewhere; null where its sampler has to be called. */
  get draw(): TokenDraw | null {
    const { sample } = this.#options;
    return sample === undefined ? LIKELIEST : (sample.draw ?? null);
  }

  /** A token that was chosen elsewhere, -1 for none; as `choose`. */
  accept(token: number): number | null {
    if (token < 0) {
      throw new QkNormError("ERR_GENERATION", "no logit is a finite largest: the forward pass went wrong");
    }
    const { stopIds = [] } = this.#options;
    if (stopIds.includes(token)) return null;
    this.ids.push(token);
    this.#count += 1;
    return token;
  }
}
