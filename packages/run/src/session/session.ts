import {
  type ChatMessage,
  type ChatTemplate,
  generate,
  type JsonText,
  type LoadedModel,
  loadChatTemplate,
  loadModel,
  loadTokenizer,
  type QkNormTrace,
  type Tokenizer,
} from "@qknorm/models";
import { UsageError } from "../failure.ts";
import { openWith } from "../model-options.ts";
import { DEFAULT_MAX_TOKENS, type Options } from "../options.ts";
import { loadProgress } from "../output/load-progress.ts";
import { type Request, readJson } from "../prompts.ts";
import { type Answer, answer, type Listener } from "./answer.ts";
import { samplerFor } from "./sampler.ts";

/** How layers come from the projection to attention: one kernel, a fused norm and the rest apart, or two norms and the rest. */
export type SessionWay = "chain" | "fused" | "fallback";

const ways = { auto: "chain", fallback: "fallback" } as const;

/** A model, its tokenizer and its chat template, opened from one folder. */
export class Session {
  readonly loaded: LoadedModel;
  readonly #options: Options;
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | null;
  readonly #tools: JsonText | undefined;

  private constructor(loaded: LoadedModel, options: Options) {
    this.loaded = loaded;
    this.#options = options;
    this.#tokenizer = loadTokenizer(options.model);
    this.#template = options.chat === false ? null : loadChatTemplate(options.model);
    if (this.#template === null) this.#refuseChatOptions();
    this.#tools = options.tools === undefined ? undefined : readJson(options.tools);
  }

  /** @throws QkNormError or UsageError, in one sentence, for a folder or options that do not go */
  static async open(options: Options, way: SessionWay = ways[options.qkNorm]): Promise<Session> {
    const progress = loadProgress(process.stderr);
    const loaded = await openWith(loadModel, options, {
      qkNorm: { path: way === "fallback" ? "fallback" : "auto" },
      chain: way === "chain" ? "auto" : "apart",
      onProgress: progress.report,
    });
    progress.end();
    return new Session(loaded, options);
  }

  /** Whether prompts go through a chat template, and so can be turns of a conversation. */
  get isChat(): boolean {
    return this.#template !== null;
  }

  /** Most new tokens of an answer to a prompt of so many. */
  #maxTokens(promptTokens: number): number {
    const { generation } = this.loaded;
    return this.#options.maxTokens ?? generation.maxNewTokens(promptTokens) ?? DEFAULT_MAX_TOKENS;
  }

  /** Answers one request. Throws before the first call of `listen` when it cannot be answered. */
  async answer(request: Request, listen: Listener = {}): Promise<Answer> {
    return this.#continue(this.#encode(request), listen);
  }

  /** Answers the last message of a conversation. */
  async reply(messages: readonly ChatMessage[], listen: Listener = {}): Promise<Answer> {
    return this.#continue(this.#encodeChat(messages), listen);
  }

  /** The plan that every layer's QK norm follows, seen in a forward pass over one token. */
  async plan(): Promise<QkNormTrace["plan"]> {
    let plan: QkNormTrace["plan"] | undefined;
    const once = generate(this.loaded.model, [0], {
      maxTokens: 1,
      onTrace: (trace) => {
        plan = trace.layers[0]?.plan;
      },
    });
    for await (const _ of once);
    return plan as QkNormTrace["plan"];
  }

  #continue(promptIds: readonly number[], listen: Listener): Promise<Answer> {
    const { model, generation } = this.loaded;
    const maxTokens = this.#maxTokens(promptIds.length);
    const task = {
      model,
      tokenizer: this.#tokenizer,
      promptIds,
      sample: samplerFor(this.#options, generation, promptIds.length + maxTokens),
      stopIds: generation.eosTokenIds,
      maxTokens,
    };
    return answer(task, listen);
  }

  #encode(request: Request): readonly number[] {
    switch (request.kind) {
      case "ids":
        return request.ids;
      case "messages":
        return this.#encodeChat(request.messages);
      case "text":
        return this.isChat
          ? this.#encodeChat(this.opening([{ role: "user", content: request.text }]))
          : this.#tokenizer.encode(request.text, { addSpecialTokens: true });
      default:
        return request satisfies never;
    }
  }

  /** The messages, after the system's when one was given. */
  opening(messages: readonly ChatMessage[]): readonly ChatMessage[] {
    const { system } = this.#options;
    return system === undefined ? messages : [{ role: "system", content: system }, ...messages];
  }

  // The template writes out every special token itself.
  #encodeChat(messages: readonly ChatMessage[] | JsonText): readonly number[] {
    const variables = this.#tools === undefined ? {} : { tools: this.#tools };
    const text = this.#template!.renderChat(messages, {
      enableThinking: this.#options.thinking,
      variables,
    });
    return this.#tokenizer.encode(text);
  }

  #refuseChatOptions(): void {
    const { chat, system, tools, messages, model } = this.#options;
    const asked = Object.entries({ chat: chat === true || undefined, system, tools, messages });
    const option = asked.find(([, value]) => value !== undefined)?.[0];
    if (option === undefined) return;
    const why = chat === false ? "--no-chat was given" : `${model} has no chat template`;
    throw new UsageError(`${why}; leave --${option} out to continue the prompt as it is`);
  }
}
