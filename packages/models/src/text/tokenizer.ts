import { QkNormError } from "@qknorm/core";
import { isJsonObject, type JsonObject } from "../checkpoint/json-file.ts";
import { assertOptions } from "../checkpoint/options-argument.ts";
import { shown } from "../checkpoint/shown-value.ts";
import { assertText } from "../layers/layer-arguments.ts";
import { within } from "./deadline.ts";
import { type AddedToken, AddedTokenFinder } from "./tokenizer/added-tokens.ts";
import { Decoder, isByteToken } from "./tokenizer/decoders.ts";
import { Normalizer } from "./tokenizer/normalizers.ts";
import { PostProcessor } from "./tokenizer/post-processor.ts";
import { PreTokenizer } from "./tokenizer/pre-tokenizers.ts";
import { readTokenModel } from "./tokenizer/read-model.ts";
import { readAddedTokens, readPostProcessor } from "./tokenizer/special-tokens.ts";
import type { TokenModel } from "./tokenizer/token-model.ts";
import { readTokenizerFolder } from "./tokenizer/tokenizer-folder.ts";

/** Encoding and decoding may take so long, in milliseconds, and a millisecond more for so many characters. */
const LIMIT = { ms: 600, charactersPerMs: 200 };

export interface EncodeOptions {
  /** Add what the tokenizer's post-processor adds around a text, such as a begin-of-text token. Default false. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/**
 * Loads the tokenizer of a model folder: `tokenizer.json`, or else `vocab.json` and `merges.txt`; and the tokens that
 * stand only in `tokenizer_config.json`, `added_tokens.json` or `special_tokens_map.json`.
 *
 * @throws ERR_CHECKPOINT for a file that is missing, corrupted, or of a kind that is not supported
 */
export function loadTokenizer(dir: string): Tokenizer {
  const { file, config, path } = readTokenizerFolder(dir);
  return new Tokenizer(file, config, path);
}

/** Text to token ids and back, as the Rust tokenizers do it. Immutable. */
export class Tokenizer {
  /** One more than the largest id; a model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
  readonly #normalizer: Normalizer;
  readonly #preTokenizer: PreTokenizer;
  readonly #model: TokenModel;
  readonly #postProcessor: PostProcessor;
  readonly #decoder: Decoder;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #tokens: ReadonlyMap<number, string>;
  /** Added tokens in the text as it is given, and in the normalised text. */
  readonly #givenTokens: AddedTokenFinder;
  readonly #normalizedTokens: AddedTokenFinder;

  /**
   * @param file `tokenizer.json`, parsed
   * @param config `tokenizer_config.json`, parsed, or `{}`
   * @param path shown in errors
   * @throws ERR_CHECKPOINT that names the path and what is wrong
   */
  constructor(file: JsonObject, config: JsonObject = {}, path = "tokenizer.json") {
    assertText(path, "the path of a tokenizer");
    if (!isJsonObject(file) || !isJsonObject(config))
      throw new QkNormError("ERR_CHECKPOINT", `${path}: a tokenizer and its config must be objects`);
    this.#model = readTokenModel(file.model, path);
    this.#normalizer = new Normalizer(file.normalizer, path);
    this.#preTokenizer = new PreTokenizer(file.pre_tokenizer, path);
    if (this.#preTokenizer.asksForFirst && this.#normalizer.dropping !== null) {
      const problem = `prepend_scheme "first" after a normalizer of kind ${this.#normalizer.dropping} is not supported`;
      throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
    }
    this.#decoder = new Decoder(file.decoder, path);
    const added = readAddedTokens(file, config, this.#model.vocabulary, path);
    this.#postProcessor = new PostProcessor(readPostProcessor(file, config, added), path);
    this.#ids = new Map([
      ...this.#model.vocabulary,
      ...added.map(({ content, id }) => [content, id] as const),
    ]);
    this.#tokens = new Map([...this.#ids].map(([token, id]) => [id, token]));
    this.vocabSize = 1 + [...this.#tokens.keys()].reduce((a, b) => Math.max(a, b), -1);
    this.specialIds = new Set(added.filter(({ special }) => special).map(({ id }) => id));
    const found = config.split_special_tokens === true ? added.filter(({ special }) => !special) : added;
    const [normalized, given] = [true, false].map((which) => found.filter((t) => t.normalized === which));
    this.#givenTokens = new AddedTokenFinder(given!.map((token) => [token.content, token]));
    this.#normalizedTokens = new AddedTokenFinder(this.#normalize(normalized!, path));
  }

  /**
   * The ids of a text. Special tokens written out in it, such as `<|im_end|>`, become their ids.
   *
   * @throws ERR_GENERATION if the vocabulary cannot express the text, or it takes longer than 0.6 s and a
   *   millisecond for 200 characters: a splitting rule of the tokenizer then backtracks without end
   */
  encode(text: string, options: EncodeOptions = {}): number[] {
    assertOptions(options);
    const { addSpecialTokens = false } = options;
    if (typeof text !== "string")
      throw new QkNormError("ERR_GENERATION", `can only encode a string, got ${typeof text}`);
    const ids = this.#inTime("encode", text.length, () => this.#encode(text.toWellFormed()));
    return addSpecialTokens ? [...this.#postProcessor.process(ids)] : ids;
  }

  /**
   * The text of ids, exactly as the tokens spell it: no clean-up of spaces. Bytes that are no UTF-8 become U+FFFD;
   * ids without a token (padding rows of an embedding) become nothing.
   *
   * @throws ERR_GENERATION for ids that are not integers from 0, or if it takes too long, as in `encode`
   */
  decode(ids: Iterable<number>, options: DecodeOptions = {}): string {
    assertOptions(options);
    const { skipSpecialTokens = false } = options;
    const through = (ids as Partial<Iterable<number>> | null | undefined)?.[Symbol.iterator];
    // An array whose memory is gone cannot be gone through.
    if (typeof through !== "function" || (ArrayBuffer.isView(ids) && ids.byteLength === 0))
      throw new QkNormError("ERR_GENERATION", `can only decode a list of token ids, got ${shown(ids)}`);
    const tokens: string[] = [];
    for (const id of ids) {
      const token = this.token(id);
      if (token !== undefined && !(skipSpecialTokens && this.specialIds.has(id))) tokens.push(token);
    }
    if (tokens.length === 0) return "";
    const decode = () => this.#decoder.decode(tokens);
    return this.#decoder.runsPatterns ? this.#inTime("decode", tokens.length, decode) : decode();
  }

  /** How the vocabulary spells an id, byte-level letters and all. @throws ERR_GENERATION unless an integer from 0 */
  token(id: number): string | undefined {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new QkNormError("ERR_GENERATION", `a token id must be an integer from 0, got ${shown(id)}`);
    }
    return this.#tokens.get(id);
  }

  /** Whether a value is a tokenizer that the constructor made. */
  static is(value: unknown): value is Tokenizer {
    return typeof value === "object" && value !== null && #tokens in value;
  }

  /** The id of a token as the vocabulary spells it, such as `<|im_end|>`. */
  id(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Whether a token is one byte of a run whose text is known only when the run ends. */
  isOpenByte(id: number): boolean {
    return this.#decoder.hasByteFallback && isByteToken(this.token(id) ?? "");
  }

  #encode(text: string): number[] {
    const ids: number[] = [];
    const pushAll = (more: readonly number[]): void => {
      for (const id of more) ids.push(id);
    };
    for (const section of this.#givenTokens.split({ text, first: true })) {
      if ("id" in section) {
        ids.push(section.id);
        continue;
      }
      const normalized = { text: this.#normalizer.normalize(section.text), first: section.first };
      for (const part of this.#normalizedTokens.split(normalized)) {
        if ("id" in part) ids.push(part.id);
        else for (const piece of this.#preTokenizer.split(part)) pushAll(this.#model.tokenize(piece.text));
      }
    }
    return ids;
  }

  #normalize(tokens: readonly AddedToken[], path: string): readonly (readonly [string, AddedToken])[] {
    const spelled = within(LIMIT.ms, () =>
      tokens.map((token) => [this.#normalizer.normalize(token.content), token] as const),
    );
    if (spelled !== null) return spelled.value;
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${path}: normalising the added tokens took more than ${LIMIT.ms} ms`,
    );
  }

  #inTime<T>(what: string, characters: number, task: () => T): T {
    const ms = LIMIT.ms + Math.ceil(characters / LIMIT.charactersPerMs);
    // Time goes by as well where the machine stands still: what takes too long twice in a row is the rule.
    const done = within(ms, task) ?? within(ms, task);
    if (done !== null) return done.value;
    throw new QkNormError(
      "ERR_GENERATION",
      `the tokenizer could not ${what} ${characters} characters or tokens within ${ms} ms: a rule in its file takes too long, as one that backtracks without end`,
    );
  }
}
