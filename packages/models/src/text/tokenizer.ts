import { existsSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer as HuggingFaceTokenizer } from "@huggingface/tokenizers";
import { QkNormError } from "@qknorm/core";
import { type JsonObject, readJsonObject } from "../checkpoint/json-file.ts";
import { checkTokenizerFile } from "./tokenizer-file.ts";

export interface EncodeOptions {
  /** Add what the tokenizer's post-processor adds around a text, such as a begin-of-text token. Default false. */
  readonly addSpecialTokens?: boolean;
}

export interface DecodeOptions {
  /** Leave special tokens out of the text. Default false. */
  readonly skipSpecialTokens?: boolean;
}

/**
 * Loads `tokenizer.json` of a model folder, and `tokenizer_config.json` if it is there.
 *
 * @throws ERR_CHECKPOINT for a file that is missing, corrupted, or of a kind that is not supported
 */
export function loadTokenizer(dir: string): Tokenizer {
  const path = join(dir, "tokenizer.json");
  if (!existsSync(path))
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: no tokenizer.json, so text cannot be read`);
  const configPath = join(dir, "tokenizer_config.json");
  const config = existsSync(configPath) ? readJsonObject(configPath) : {};
  return new Tokenizer(readJsonObject(path, { maxBytes: 256 * 2 ** 20 }), config, path);
}

/** Text to token ids and back. Immutable. */
export class Tokenizer {
  /** One more than the largest id; a model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly specialIds: ReadonlySet<number>;
  readonly #inner: HuggingFaceTokenizer;

  /**
   * @param file `tokenizer.json`, parsed
   * @param config `tokenizer_config.json`, parsed, or `{}`
   * @param path shown in errors
   */
  constructor(file: JsonObject, config: JsonObject = {}, path = "tokenizer.json") {
    const withDefaults = {
      normalizer: null,
      pre_tokenizer: null,
      post_processor: null,
      decoder: null,
      added_tokens: [],
      ...file,
    };
    const facts = checkTokenizerFile(withDefaults, path);
    this.vocabSize = facts.vocabSize;
    this.specialIds = facts.specialIds;
    try {
      this.#inner = new HuggingFaceTokenizer(withDefaults, config);
    } catch (cause) {
      const reason = `${path}: the tokenizer cannot be built (${(cause as Error).message.slice(0, 200)})`;
      throw new QkNormError("ERR_CHECKPOINT", reason, { cause });
    }
  }

  /**
   * The ids of a text. Special tokens written out in it, such as `<|im_end|>`, become their ids.
   *
   * @throws ERR_GENERATION if the vocabulary cannot express the text
   */
  encode(text: string, { addSpecialTokens = false }: EncodeOptions = {}): number[] {
    if (typeof text !== "string")
      throw new QkNormError("ERR_GENERATION", `can only encode a string, got ${typeof text}`);
    const { ids, tokens } = this.#inner.encode(text, { add_special_tokens: addSpecialTokens });
    const lost = ids.findIndex((id: number | undefined) => id === undefined);
    if (lost >= 0) {
      throw new QkNormError(
        "ERR_GENERATION",
        `the vocabulary has no token for ${JSON.stringify(tokens[lost])}`,
      );
    }
    return ids;
  }

  /**
   * The text of ids, exactly as the tokens spell it: no clean-up of spaces. Bytes that are no UTF-8 become U+FFFD;
   * ids without a token (padding rows of an embedding) become nothing.
   *
   * @throws ERR_GENERATION for ids that are not integers from 0
   */
  decode(ids: Iterable<number>, { skipSpecialTokens = false }: DecodeOptions = {}): string {
    const known = [...ids].filter((id) => this.token(id) !== undefined);
    if (known.length === 0) return "";
    return this.#inner.decode(known, {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: false,
    });
  }

  /** How the vocabulary spells an id, byte-level letters and all. @throws ERR_GENERATION unless an integer from 0 */
  token(id: number): string | undefined {
    if (!Number.isSafeInteger(id) || id < 0) {
      throw new QkNormError("ERR_GENERATION", `a token id must be an integer from 0, got ${String(id)}`);
    }
    return this.#inner.id_to_token(id);
  }

  /** The id of a token as the vocabulary spells it, such as `<|im_end|>`. */
  id(token: string): number | undefined {
    return this.#inner.token_to_id(token);
  }
}
