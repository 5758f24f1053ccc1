import { QkNormError } from "@qknorm/core";
import { convert, type Tensor, tidy } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { KvCache } from "../layers/kv-cache.ts";
import { nextStep } from "../layers/sequence-step.ts";
import type { Step } from "../layers/step.ts";
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
  /**
   * Ends the text when it is aborted: before the next token, and for `generate` also between two layers of a prefill, so
   * that a long prompt can be given up.
   */
  readonly signal?: AbortSignal | undefined;
  /** Receives the trace of every forward pass. */
  readonly onTrace?: ((trace: ForwardTrace) => void) | undefined;
}

/**
 * Continues a prompt, one token id at a time: prefill of all prompt tokens, then one decode step a token. The same on
 * every device.
 *
 * Ends at a stop id, after `maxTokens`, when the context is full, or when it is aborted; what it holds on a device is
 * freed then, and when the caller stops earlier. Throws `ERR_GENERATION` before any work when the prompt is empty, does not fit in the
 * context, or has an id that the model does not know.
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
    while (continuation.goesOn) {
      const logits = await continuation.forwardInTurns();
      if (logits === null) return;
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
    while (continuation.goesOn) {
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

/** In f32; what it was made of is freed. */
function asF32(logits: Tensor): Tensor {
  const converted = convert(logits, "f32");
  if (converted !== logits) logits.dispose();
  return converted;
}

/** A turn of the event loop, in which a signal is heard of. */
function turn(): Promise<void> {
  return new Promise((resolve) => {
    (globalThis.setImmediate ?? setTimeout)(resolve);
  });
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
    const unknown = prompt.find((id) => !Number.isSafeInteger(id) || id < 0 || id >= model.vocabSize);
    if (unknown !== undefined) {
      const problem = `token id ${String(unknown)} is outside 0..${model.vocabSize - 1}`;
      throw new QkNormError("ERR_GENERATION", problem);
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

  get goesOn(): boolean {
    const length = this.#cache.length + this.#next.length;
    if (this.#options.signal?.aborted === true) return false;
    return this.#count < this.#maxTokens && length <= this.#model.maxPositions;
  }

  /** f32 `[1, V]` for the token that comes next. */
  forward(): Tensor {
    const step = this.#step();
    const logits = tidy(() => convert(this.#model.forward(step), "f32"));
    this.#report(step);
    return logits;
  }

  /** As `forward`, but where a prefill may be aborted the event loop turns after each layer; null when it was. */
  async forwardInTurns(): Promise<Tensor | null> {
    const { signal } = this.#options;
    if (signal === undefined || this.#next.length === 1) return this.forward();
    const step = this.#step();
    const pieces = this.#model.forwardInPieces(step);
    for (let piece = pieces.next(); ; piece = pieces.next()) {
      if (piece.done === true) {
        this.#report(step);
        return asF32(piece.value);
      }
      await turn();
      if (!signal.aborted) continue;
      pieces.return(undefined as never);
      return null;
    }
  }

  #step(): Step {
    const trace = this.#options.onTrace === undefined ? null : new ForwardTrace();
    return nextStep(this.#next, this.#cache, trace);
  }

  #report({ trace }: Step): void {
    trace?.finish();
    if (trace !== null) this.#options.onTrace?.(trace);
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
