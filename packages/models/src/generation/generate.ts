import { QkNormError } from "@qknorm/core";
import { convert, type Tensor, tidy } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { KvCache } from "../layers/kv-cache.ts";
import { nextStep } from "../layers/step.ts";
import { ForwardTrace } from "../layers/trace.ts";
import { argmax, type Sampler } from "./sampling.ts";

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
 * Continues a prompt, one token id at a time: prefill of all prompt tokens, then one decode step a token. The same on
 * every device.
 *
 * Ends at a stop id, after `maxTokens`, or when the context is full; what it holds on a device is freed then, and when
 * the caller stops earlier. Throws `ERR_GENERATION` before any work when the prompt is empty or does not fit in the
 * context.
 */
export function generate(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): AsyncGenerator<number, void, undefined> {
  return later(new Continuation(model, prompt, options));
}

/** `generate` for devices that can be waited for, as the CPU and CUDA can: see `Tensor.readNow`. */
export function generateNow(
  model: CausalLm,
  prompt: readonly number[],
  options: GenerateOptions = {},
): Generator<number, void, undefined> {
  return now(new Continuation(model, prompt, options));
}

async function* later(continuation: Continuation): AsyncGenerator<number, void, undefined> {
  try {
    while (continuation.hasRoom) {
      const logits = continuation.forward();
      const token = continuation.choose((await freeing(logits, () => logits.read())) as Float32Array);
      if (token === null) return;
      yield token;
    }
  } finally {
    continuation.dispose();
  }
}

function* now(continuation: Continuation): Generator<number, void, undefined> {
  try {
    while (continuation.hasRoom) {
      const logits = continuation.forward();
      const values = logits.readNow() as Float32Array;
      logits.dispose();
      const token = continuation.choose(values);
      if (token === null) return;
      yield token;
    }
  } finally {
    continuation.dispose();
  }
}

async function freeing<R>(x: Tensor, read: () => Promise<R>): Promise<R> {
  try {
    return await read();
  } finally {
    x.dispose();
  }
}

/** One text as it grows: the cache, and the tokens that come next. */
class Continuation {
  readonly #model: CausalLm;
  readonly #options: GenerateOptions;
  readonly #maxTokens: number;
  readonly #cache: KvCache;
  readonly #ids: number[];
  #next: readonly number[];
  #count = 0;

  constructor(model: CausalLm, prompt: readonly number[], options: GenerateOptions) {
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
    this.#model = model;
    this.#options = options;
    this.#maxTokens = maxTokens;
    this.#cache = model.newCache();
    this.#ids = [...prompt];
    this.#next = prompt;
  }

  get hasRoom(): boolean {
    return (
      this.#count < this.#maxTokens && this.#cache.length + this.#next.length <= this.#model.maxPositions
    );
  }

  /** f32 `[1, V]` for the token that comes next. */
  forward(): Tensor {
    const { onTrace } = this.#options;
    const trace = onTrace === undefined ? null : new ForwardTrace();
    const step = nextStep(this.#next, this.#cache, trace);
    const logits = tidy(() => convert(this.#model.forward(step), "f32"));
    trace?.finish();
    if (trace !== null) onTrace?.(trace);
    return logits;
  }

  /** The next token, which becomes part of the text; `null` at a stop id. */
  choose(logits: Float32Array): number | null {
    const { sample = argmax, stopIds = [] } = this.#options;
    const token = sample(logits, this.#ids);
    if (stopIds.includes(token)) return null;
    this.#ids.push(token);
    this.#next = [token];
    this.#count += 1;
    return token;
  }

  dispose(): void {
    this.#cache.dispose();
  }
}
