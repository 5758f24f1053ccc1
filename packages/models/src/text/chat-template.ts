import { existsSync } from "node:fs";
import { join } from "node:path";
import { Template } from "@huggingface/jinja";
import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject, readTextFile } from "../checkpoint/json-file.ts";
import { shown } from "../checkpoint/shown-value.ts";
import { namedSpecialTokens } from "./tokenizer/special-tokens.ts";
import { readTokenizerConfig } from "./tokenizer/tokenizer-folder.ts";

/** One turn. Templates may read further fields, such as `reasoning_content` or `tool_calls`. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Qwen3's switch; left to the template where it is not given. */
  readonly enableThinking?: boolean | undefined;
  /** Which of several named templates. Default "default". */
  readonly name?: string;
  /** Further variables of the template, such as `tools`. */
  readonly variables?: JsonObject;
}

/**
 * Loads the chat template of a model folder: `chat_template.jinja`, or else `chat_template` of
 * `tokenizer_config.json`, one text or a list of named ones. Null if the model has none.
 *
 * @throws ERR_CHECKPOINT for a template that is malformed
 */
export function loadChatTemplate(dir: string): ChatTemplate | null {
  const configPath = join(dir, "tokenizer_config.json");
  const config = readTokenizerConfig(dir);
  const path = join(dir, "chat_template.jinja");
  const source = existsSync(path) ? readTextFile(path) : (config.chat_template ?? null);
  return source === null ? null : new ChatTemplate(source, config, existsSync(path) ? path : configPath);
}

/** Renders conversations as the text that a model was trained on. */
export class ChatTemplate {
  readonly names: readonly string[];
  readonly #templates: ReadonlyMap<string, Template>;
  readonly #specialTokens: JsonObject;
  readonly #path: string;

  /**
   * @param source a Jinja text, or `[{ name, template }]`
   * @param config `tokenizer_config.json`, for its special tokens
   * @param path shown in errors
   */
  constructor(source: unknown, config: JsonObject = {}, path = "chat_template") {
    this.#templates = parseTemplates(source, path);
    this.#specialTokens = namedSpecialTokens(config);
    this.#path = path;
    this.names = Object.freeze([...this.#templates.keys()]);
  }

  /** @throws ERR_GENERATION for messages that are not messages, or that the template itself refuses */
  renderChat(messages: readonly ChatMessage[], options: RenderOptions = {}): string {
    const { addGenerationPrompt = true, enableThinking, name = "default", variables = {} } = options;
    const template = this.#templates.get(name);
    if (template === undefined) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${this.#path}: no template ${shown(name)}; there is ${this.names.join(", ")}`,
      );
    }
    checkMessages(messages);
    const thinking = enableThinking === undefined ? {} : { enable_thinking: enableThinking };
    const given = { ...variables, ...thinking, messages, add_generation_prompt: addGenerationPrompt };
    try {
      return template.render({ ...this.#specialTokens, ...given });
    } catch (cause) {
      const reason = `the chat template refused the conversation: ${(cause as Error).message}`;
      throw new QkNormError("ERR_GENERATION", reason, { cause });
    }
  }
}

function parseTemplates(source: unknown, path: string): Map<string, Template> {
  const named: unknown[] = Array.isArray(source) ? source : [{ name: "default", template: source }];
  const templates = new Map<string, Template>();
  for (const item of named) {
    const { name, template } = isJsonObject(item) ? item : {};
    if (typeof name !== "string" || typeof template !== "string") {
      const problem = "chat_template must be a text, or a list of { name, template }";
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}, got ${shown(source)}`);
    }
    try {
      templates.set(name, new Template(template));
    } catch (cause) {
      const problem = `the chat template ${shown(name)} is not valid Jinja (${(cause as Error).message})`;
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`, { cause });
    }
  }
  return templates;
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages))
    throw new QkNormError("ERR_GENERATION", `messages must be an array, got ${shown(messages)}`);
  for (const [i, message] of (messages as unknown[]).entries()) {
    if (isJsonObject(message) && typeof message.role === "string" && typeof message.content === "string")
      continue;
    throw new QkNormError(
      "ERR_GENERATION",
      `messages[${i}] must have a role and a content, both text, got ${shown(message)}`,
    );
  }
}
