import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject, readTextFile } from "../checkpoint/json-file.ts";
import { pathIn } from "../checkpoint/model-folder.ts";
import { assertOptions } from "../checkpoint/options-argument.ts";
import { shown, shownList } from "../checkpoint/shown-value.ts";
import { assertText } from "../layers/layer-arguments.ts";
import { within } from "./deadline.ts";
import { type Node, parseTemplate } from "./template/jinja.ts";
import { JsonText } from "./template/json-text.ts";
import { render } from "./template/render.ts";
import { namedSpecialTokens } from "./tokenizer/special-tokens.ts";
import { readTokenizerConfig } from "./tokenizer/tokenizer-folder.ts";

/** One turn. Templates may read further fields, such as `reasoning_content` or `tool_calls`. */
export interface ChatMessage {
  readonly role: string;
  /** Text, or parts such as `{ type: "text", text }` where the template knows them; none for a message of tool calls. */
  readonly content?: string | null | readonly JsonObject[];
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the opening of the assistant's turn. Default true. */
  readonly addGenerationPrompt?: boolean;
  /** Qwen3's switch; left to the template where it is not given. */
  readonly enableThinking?: boolean | undefined;
  /** Which of several named templates. Default: "tool_use" where there is one and tools are given, or else "default". */
  readonly name?: string;
  /** Further variables of the template, such as `tools`. JSON values, or `JsonText` where 1.0 is not to become 1. */
  readonly variables?: Readonly<Record<string, unknown>>;
}

/** Parsing or rendering may take so long, in milliseconds, and a millisecond more for so many characters of JSON. */
const LIMIT = { ms: 600, charactersPerMs: 500 };
/** A longer template is refused; those of published models stay below 20,000 characters. */
const LONGEST = 2 ** 20;
/** More templates are refused. */
const MOST = 64;

/**
 * Loads the chat template of a model folder: `chat_template.jinja` and those of `additional_chat_templates`, or else of
 * `tokenizer_config.json`, one text or a list of named ones. Null if the model has none.
 *
 * @throws ERR_CHECKPOINT for a template that is malformed
 */
export function loadChatTemplate(dir: string): ChatTemplate | null {
  const configPath = pathIn(dir, "tokenizer_config.json");
  const config = readTokenizerConfig(dir);
  const files = templateFiles(dir);
  const [source, path] =
    files.length > 0 ? [files, files[0]!.path] : [config.chat_template ?? null, configPath];
  return source === null ? null : new ChatTemplate(source, config, path);
}

/** `chat_template.jinja`, and the named templates of the folder `additional_chat_templates`. */
function templateFiles(dir: string): readonly { name: string; template: string; path: string }[] {
  const more = join(dir, "additional_chat_templates");
  const named = (existsSync(more) ? readdirSync(more).sort() : [])
    .filter((file) => file.endsWith(".jinja"))
    .map((file) => ({ name: basename(file, ".jinja"), path: join(more, file) }));
  const main = { name: "default", path: join(dir, "chat_template.jinja") };
  return [...(existsSync(main.path) ? [main] : []), ...named].map((file) => ({
    ...file,
    template: readTextFile(file.path),
  }));
}

/** Renders conversations as the text that a model was trained on. */
export class ChatTemplate {
  readonly names: readonly string[];
  readonly #templates: ReadonlyMap<string, Node>;
  readonly #specialTokens: JsonObject;
  readonly #path: string;

  /**
   * @param source a Jinja text, or `[{ name, template }]`
   * @param config `tokenizer_config.json`, for its special tokens
   * @param path shown in errors
   * @throws ERR_CHECKPOINT for what is no template or no config
   */
  constructor(source: unknown, config: JsonObject = {}, path = "chat_template") {
    assertText(path, "the path of a template");
    if (!isJsonObject(config))
      throw new QkNormError(
        "ERR_CHECKPOINT",
        `${path}: a tokenizer's config must be an object, got ${shown(config)}`,
      );
    this.#templates = parseTemplates(source, path);
    this.#specialTokens = namedSpecialTokens(config);
    this.#path = path;
    this.names = Object.freeze([...this.#templates.keys()]);
  }

  /**
   * @throws ERR_GENERATION for messages that are not messages, or that the template itself refuses, and for a template
   *   that takes longer than 0.6 s, or more steps or memory than `LIMITS` of the interpreter allow
   */
  renderChat(messages: readonly ChatMessage[] | JsonText, options: RenderOptions = {}): string {
    assertOptions(options);
    const { addGenerationPrompt = true, enableThinking, variables = {} } = options;
    assertOptions(variables);
    const { name = variables.tools != null && this.#templates.has("tool_use") ? "tool_use" : "default" } =
      options;
    const template = this.#templates.get(name);
    if (template === undefined) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${this.#path}: no template ${shown(name)}; there is ${shownList(this.names)}`,
      );
    }
    checkMessages(messages instanceof JsonText ? messages.value : messages);
    const thinking = enableThinking === undefined ? {} : { enable_thinking: enableThinking };
    const given = { ...variables, ...thinking, messages, add_generation_prompt: addGenerationPrompt };
    return this.#render(template, { ...this.#specialTokens, ...given });
  }

  #render(template: Node, values: Readonly<Record<string, unknown>>): string {
    const fail = (problem: string, options?: ErrorOptions): never => {
      throw new QkNormError("ERR_GENERATION", `the chat template ${problem}`, options);
    };
    try {
      const variables = asJson(values);
      const characters = [...variables.values()].reduce((sum, { length }) => sum + length, 0);
      const ms = LIMIT.ms + Math.ceil(characters / LIMIT.charactersPerMs);
      const rendered = within(ms, () => render(template, variables));
      return rendered?.value ?? fail(`did not come to an end within ${ms} ms`);
    } catch (cause) {
      if (cause instanceof QkNormError) throw cause;
      return fail(`refused the conversation: ${oneLine((cause as Error).message)}`, { cause });
    }
  }
}

// A value that JSON does not know, such as undefined, is left out.
function asJson(values: Readonly<Record<string, unknown>>): ReadonlyMap<string, string> {
  const texts = Object.entries(values).map(([name, value]) => {
    const text: string | undefined = value instanceof JsonText ? value.text : JSON.stringify(value);
    return [name, text] as const;
  });
  return new Map(texts.filter((entry): entry is readonly [string, string] => entry[1] !== undefined));
}

function oneLine(message: string): string {
  return message.replaceAll(/\s+/g, " ").slice(0, 300);
}

function parseTemplates(source: unknown, path: string): Map<string, Node> {
  const named: unknown[] = Array.isArray(source) ? source : [{ name: "default", template: source }];
  const templates = new Map<string, Node>();
  if (named.length > MOST)
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${path}: there are ${named.length} chat templates; at most ${MOST} are read`,
    );
  for (const item of named) {
    const { name, template } = isJsonObject(item) ? item : {};
    if (typeof name !== "string" || typeof template !== "string") {
      const problem = "chat_template must be a text, or a list of { name, template }";
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}, got ${shown(source)}`);
    }
    templates.set(name, parse(template, `${path}: the chat template ${shown(name)}`));
  }
  return templates;
}

function parse(text: string, owner: string): Node {
  const fail = (problem: string, options?: ErrorOptions): never => {
    throw new QkNormError("ERR_CHECKPOINT", `${owner} ${problem}`, options);
  };
  if (text.length > LONGEST) fail(`has more than ${LONGEST} characters`);
  try {
    const parsed = within(LIMIT.ms, () => parseTemplate(text));
    return parsed?.value ?? fail(`could not be read within ${LIMIT.ms} ms`);
  } catch (cause) {
    if (cause instanceof QkNormError) throw cause;
    return fail(`is not valid Jinja (${oneLine((cause as Error).message)})`, { cause });
  }
}

function checkMessages(messages: unknown): void {
  if (!Array.isArray(messages))
    throw new QkNormError("ERR_GENERATION", `messages must be an array, got ${shown(messages)}`);
  for (const [i, message] of messages.entries()) {
    if (isJsonObject(message) && typeof message.role === "string" && hasContent(message)) continue;
    throw new QkNormError(
      "ERR_GENERATION",
      `messages[${i}] must have a role, and a content that is text or a list of parts, got ${shown(message)}`,
    );
  }
}

// A message that only calls tools needs none.
function hasContent({ content, tool_calls: calls }: JsonObject): boolean {
  return typeof content === "string" || Array.isArray(content) || (Array.isArray(calls) && content == null);
}
