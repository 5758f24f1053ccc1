import { convert, type Tensor, tidy } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { KvCache } from "../layers/kv-cache.ts";
import { nextStep } from "../layers/sequence-step.ts";
import type { Step } from "../layers/step.ts";
import { ForwardTrace } from "../layers/trace.ts";
import { assertModel } from "./call.ts";
import { CapturedDecode, type Left } from "./captured-decode.ts";
import { GrowingText, type TextOptions } from "./growing-text.ts";
import { turn } from "./turn.ts";

/** How to continue a prompt. A signal is heard before the next token, and by `generate` also between two layers of a prefill. */
export interface GenerateOptions extends TextOptions {
  /** Receives the trace of every forward pass. */
  readonly onTrace?: ((trace: ForwardTrace) => void) | undefined;
}

/**
 * Continues a prompt, one token id at a time: prefill of all prompt tokens, then one decode step a token. The same on
 * every device.
 *
 * Ends at a stop id, after `maxTokens`, when the context is full, or when it is aborted; what it holds on a device is
 * freed then, and when the caller stops earlier. Throws `ERR_GENERATION` before any work when the prompt is empty, does not fit in the
 * context, or has an id that the model does not know, and for arguments that are none.
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
      if ((yield* continuation.captured()) === "ended") return;
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
      if ((yield* continuation.captured()) === "ended") return;
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

async function freeing<R>(x: Tensor, read: () => Promise<R>): Promise<R> {
  try {
    return await read();
  } finally {
    x.dispose();
  }
}

/** One text as it grows, and its cache. */
class Continuation {
  readonly #model: CausalLm;
  readonly #options: GenerateOptions;
  readonly #text: GrowingText;
  readonly #cache: KvCache;
  readonly #captured: CapturedDecode | null;

  constructor(model: CausalLm, prompt: readonly number[], options: GenerateOptions) {
    assertModel(model);
    this.#text = new GrowingText(model, prompt, options);
    this.#model = model;
    this.#options = options;
    this.#cache = model.newCache();
    const hidden = options.onTrace === undefined && this.#text.draw !== null;
    this.#captured = hidden ? CapturedDecode.on(model, this.#cache) : null;
  }

  get goesOn(): boolean {
    return this.#text.goesOn;
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

  /** Ids whose keys are not in the cache. */
  get #next(): readonly number[] {
    return this.#text.ids.slice(this.#cache.length);
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
    return this.#text.choose(logits);
  }

  /** The tokens from here on, where a graph can be replayed for each: a device can draw them, and nobody asks for traces. */
  *captured(): Generator<number, Left, undefined> {
    return this.#captured === null ? "uncaptured" : yield* this.#captured.tokens(this.#text);
  }

  dispose(): void {
    this.#captured?.dispose();
    this.#cache.dispose();
  }
}
