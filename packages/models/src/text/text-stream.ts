import { QkNormError } from "@qknorm/core";
import { assertOptions } from "../checkpoint/options-argument.ts";
import { shown } from "../checkpoint/shown-value.ts";
import { type DecodeOptions, Tokenizer } from "./tokenizer.ts";

/** Tokens kept as context. UTF-8 needs 3 bytes of it, and a token has one at least; the rest is margin. */
const CONTEXT = 8;
/** The window is cut back to the context when it reaches this length. */
const LONGEST_WINDOW = 48;

/** Decoding a token alone can give U+FFFD: the first bytes of a character whose last have not come yet. */
const REPLACEMENT = "\uFFFD";

/**
 * Turns token ids, one at a time, into text that can be printed at once. What a later token could still change, an
 * unfinished UTF-8 character or a run of byte tokens, is held back. The pieces, joined, are `tokenizer.decode` of all the ids.
 *
 * The cost of a token does not grow with the text: only a short window of tokens is decoded again.
 */
export class TextStream {
  readonly #tokenizer: Pick<Tokenizer, "decode" | "specialIds" | "token" | "isOpenByte">;
  readonly #options: DecodeOptions;
  #window: number[] = [];
  /** How much of the window's text has been given out. */
  #given = 0;

  /** @throws ERR_GENERATION for what is no tokenizer, and options that are no object */
  constructor(
    tokenizer: Pick<Tokenizer, "decode" | "specialIds" | "token" | "isOpenByte">,
    options: DecodeOptions = {},
  ) {
    const { decode, token } = (tokenizer ?? {}) as Partial<Tokenizer>;
    const imitates = tokenizer instanceof Tokenizer && !Tokenizer.is(tokenizer);
    if (typeof decode !== "function" || typeof token !== "function" || imitates)
      throw new QkNormError(
        "ERR_GENERATION",
        `the tokenizer must be one that \`loadTokenizer\` made, got ${shown(tokenizer)}`,
      );
    assertOptions(options);
    this.#tokenizer = tokenizer;
    this.#options = options;
  }

  /** The text that this token completes; often one token's, sometimes none. @throws ERR_GENERATION for a bad id */
  push(id: number): string {
    if (!this.#hasText(id)) return "";
    if (this.#window.length >= LONGEST_WINDOW && !this.#isOpen()) this.#cut();
    this.#window.push(id);
    if (this.#isOpen()) return "";
    const text = this.#decode();
    const end = settledLength(text);
    const piece = text.slice(this.#given, end);
    this.#given = end;
    return piece;
  }

  /** What was held back, as it is; the stream then begins anew. */
  end(): string {
    const rest = this.#decode().slice(this.#given);
    this.#window = [];
    this.#given = 0;
    return rest;
  }

  /** Tokens that decode to nothing must not take the place of context. */
  #hasText(id: number): boolean {
    const skipped = this.#options.skipSpecialTokens === true && this.#tokenizer.specialIds.has(id);
    return !skipped && (this.#tokenizer.token(id) ?? "") !== "";
  }

  /** Whether the last token is a byte of a run: one that is no UTF-8 changes the text of the whole run. */
  #isOpen(): boolean {
    const last = this.#window.at(-1);
    return last !== undefined && this.#tokenizer.isOpenByte(last);
  }

  #cut(): void {
    this.#window = this.#window.slice(-CONTEXT);
    this.#given = settledLength(this.#decode());
  }

  #decode(): string {
    return this.#tokenizer.decode(this.#window, this.#options);
  }
}

/**
 * All but a last U+FFFD: more bytes can complete that one, and nothing before it. (An unfinished character decodes to
 * exactly one U+FFFD, https://encoding.spec.whatwg.org/#utf-8-decoder.)
 */
function settledLength(text: string): number {
  return text.endsWith(REPLACEMENT) ? text.length - 1 : text.length;
}
