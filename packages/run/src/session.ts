import type { QkNormPlan } from "@qknorm/core";
import {
  type ChatTemplate,
  createSampler,
  type ForwardTrace,
  generateNow,
  type LoadedModel,
  loadChatTemplate,
  loadModel,
  loadTokenizer,
  type Sampler,
  TextStream,
  type Tokenizer,
} from "@qknorm/models";
import { UsageError } from "./failure.ts";
import { loadProgress } from "./load-progress.ts";
import type { Options } from "./options.ts";

/** How one prompt was answered. */
export interface Answer {
  readonly text: string;
  readonly promptTokens: number;
  readonly newTokens: number;
  /** Forward passes after the first token. */
  readonly decodeSteps: number;
  readonly prefillSeconds: number;
  readonly decodeSeconds: number;
}

/** Hears of an answer as it comes. */
export interface Listener {
  /** The prompt can be answered, and work begins. */
  readonly onStart?: (() => void) | undefined;
  /** Text that no later token can change. */
  readonly onText?: ((piece: string) => void) | undefined;
  readonly onTrace?: ((trace: ForwardTrace) => void) | undefined;
}

/** A model, its tokenizer and its chat template, opened from one folder. */
export class Session {
  readonly loaded: LoadedModel;
  readonly #options: Options;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | null;

  constructor(options: Options, qkNorm: Options["qkNorm"] = options.qkNorm) {
    this.#options = options;
    const progress = loadProgress(process.stderr);
    this.loaded = loadModel(options.model, {
      dtype: options.dtype,
      rounding: options.rounding,
      qkNorm: { path: qkNorm },
      onProgress: progress.report,
    });
    progress.end();
    this.#tokenizer = loadTokenizer(options.model);
    const template = options.chat === false ? null : loadChatTemplate(options.model);
    if (template === null && options.chat === true)
      throw new UsageError(
        `${options.model} has no chat template; leave --chat out to continue the prompt as it is`,
      );
    this.#template = template;
  }

  /** Answers one prompt. Throws before the first call of `listen` when the prompt cannot be answered. */
  answer(prompt: string, listen: Listener = {}): Answer {
    const ids = this.#tokenizer.encode(this.#render(prompt));
    const stream = new TextStream(this.#tokenizer, { skipSpecialTokens: true });
    const { generation, model } = this.loaded;
    const sample = this.#sampler();
    let text = "";
    const give = (piece: string): void => {
      text += piece;
      if (piece !== "") listen.onText?.(piece);
    };

    let prefilled = 0;
    let newTokens = 0;
    const maxTokens = this.#options.maxTokens ?? generation.maxNewTokens ?? undefined;
    const tokens = generateNow(model, ids, {
      sample,
      stopIds: generation.eosTokenIds,
      maxTokens,
      onTrace: listen.onTrace,
    });
    listen.onStart?.();
    const started = performance.now();
    for (const token of tokens) {
      if (newTokens === 0) prefilled = performance.now();
      newTokens += 1;
      give(stream.push(token));
    }
    give(stream.end());
    const ended = performance.now();
    // A stop token ends the text after a step of its own, which the text does not show.
    const stopped = newTokens < (maxTokens ?? Number.POSITIVE_INFINITY);
    return {
      text,
      promptTokens: ids.length,
      newTokens,
      decodeSteps: newTokens === 0 ? 0 : newTokens - (stopped ? 0 : 1),
      prefillSeconds: ((newTokens === 0 ? ended : prefilled) - started) / 1000,
      decodeSeconds: newTokens === 0 ? 0 : (ended - prefilled) / 1000,
    };
  }

  /** The plan that every layer's QK norm follows, seen in a forward pass over one token. */
  plan(): QkNormPlan {
    let plan: QkNormPlan | undefined;
    const once = generateNow(this.loaded.model, [0], {
      maxTokens: 1,
      onTrace: (trace) => {
        plan = trace.layers[0]?.plan;
      },
    });
    once.next();
    return plan as QkNormPlan;
  }

  #render(prompt: string): string {
    if (this.#template === null) return prompt;
    const enableThinking = this.#options.thinking;
    return this.#template.renderChat([{ role: "user", content: prompt }], { enableThinking });
  }

  // The command line wins over generation_config.json; an unsampled model stays greedy unless it is asked to draw.
  #sampler(): Sampler {
    const { generation } = this.loaded;
    const { temperature, topK, topP, minP, seed } = this.#options;
    const drawn = generation.doSample || [topK, topP, minP].some((option) => option !== undefined);
    return createSampler({
      temperature: temperature ?? (drawn ? (generation.temperature ?? 1) : 0),
      topK: topK ?? generation.topK ?? undefined,
      topP: topP ?? generation.topP ?? undefined,
      minP: minP ?? generation.minP ?? undefined,
      repetitionPenalty: generation.repetitionPenalty ?? undefined,
      seed,
    });
  }
}
