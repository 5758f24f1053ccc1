import { lettersAsBytes } from "./byte-letters.ts";
import { readStep, readSteps, type Step } from "./parts.ts";
import { readPattern, stretches } from "./pattern.ts";

/** Tokens to pieces of text. */
type Decode = (tokens: readonly string[]) => readonly string[];

const KINDS: Readonly<Record<string, (step: Step) => Decode>> = {
  ByteLevel: () => (tokens) => [
    new TextDecoder("utf-8", { ignoreBOM: true }).decode(Uint8Array.from(tokens.flatMap(lettersAsBytes))),
  ],
  ByteFallback: () => byteFallback,
  Fuse: () => (tokens) => [tokens.join("")],
  Replace: readReplace,
  Strip: readStrip,
  Metaspace: readMetaspace,
  WordPiece: readWordPiece,
  BPEDecoder: ({ fields }) => {
    const suffix = fields.string("suffix", "</w>");
    return (tokens) => tokens.map((token, i) => token.replaceAll(suffix, i === tokens.length - 1 ? "" : " "));
  },
};

/** How `decoder` of tokenizer.json makes text of tokens, as the Rust tokenizers do it. */
export class Decoder {
  /** Tokens such as `<0xE4>` stand for bytes: what a run of them means is known only at its end. */
  readonly hasByteFallback: boolean;
  /** It has patterns of the file, which may take any time. */
  readonly runsPatterns: boolean;
  readonly #steps: readonly Decode[] | null;

  /** @throws ERR_CHECKPOINT for a kind that is not known */
  constructor(part: unknown, path: string) {
    const steps = readSteps(part, path, "decoder", "decoders");
    this.hasByteFallback = steps.some(({ type }) => type === "ByteFallback");
    this.runsPatterns = steps.some(({ type }) => type === "Replace");
    this.#steps = part === null || part === undefined ? null : steps.map((step) => readStep(step, KINDS));
  }

  decode(tokens: readonly string[]): string {
    if (this.#steps === null) return tokens.join(" ");
    return this.#steps.reduce((current, step) => step(current), tokens).join("");
  }
}

const BYTE = /^<0x([0-9A-Fa-f]{2})>$/;

/** Whether a token stands for one byte where there is a `ByteFallback`. */
export function isByteToken(token: string): boolean {
  return BYTE.test(token);
}

// A run of bytes that is not UTF-8 becomes as many U+FFFD as it has bytes.
function byteFallback(tokens: readonly string[]): string[] {
  const pieces: string[] = [];
  let run: number[] = [];
  const flush = (): void => {
    if (run.length === 0) return;
    try {
      pieces.push(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(run)));
    } catch {
      for (const _ of run) pieces.push("\uFFFD");
    }
    run = [];
  };
  for (const token of tokens) {
    const byte = BYTE.exec(token)?.[1];
    if (byte !== undefined) {
      run.push(Number.parseInt(byte, 16));
      continue;
    }
    flush();
    pieces.push(token);
  }
  flush();
  return pieces;
}

function readReplace({ fields }: Step): Decode {
  const pattern = readPattern(fields);
  const content = fields.string("content");
  return (tokens) =>
    tokens.map((token) =>
      stretches(token, pattern)
        .map(({ start, end, match }) => (match ? content : token.slice(start, end)))
        .join(""),
    );
}

function readStrip({ fields }: Step): Decode {
  const content = fields.string("content");
  const start = fields.nonNegativeInteger("start");
  const stop = fields.nonNegativeInteger("stop");
  return (tokens) =>
    tokens.map((token) => {
      const chars = [...token];
      let from = 0;
      while (from < start && from < chars.length && chars[from] === content) from += 1;
      let to = chars.length;
      while (chars.length - to < stop && to > from && chars[to - 1] === content) to -= 1;
      return chars.slice(from, to).join("");
    });
}

function readMetaspace({ fields }: Step): Decode {
  const replacement = fields.string("replacement");
  const spaced = fields.string("prepend_scheme", "always") !== "never";
  return (tokens) => tokens.map((token, i) => token.replaceAll(replacement, i === 0 && spaced ? "" : " "));
}

const CLEAN_UP: readonly (readonly [string, string])[] = [
  [" .", "."],
  [" ?", "?"],
  [" !", "!"],
  [" ,", ","],
  [" ' ", "'"],
  [" n't", "n't"],
  [" 'm", "'m"],
  [" do not", " don't"],
  [" 's", "'s"],
  [" 've", "'ve"],
  [" 're", "'re"],
];

function readWordPiece({ fields }: Step): Decode {
  const prefix = fields.string("prefix", "##");
  const cleanUp = fields.boolean("cleanup", true);
  return (tokens) =>
    tokens.map((token, i) => {
      const continued = token.startsWith(prefix) ? token.slice(prefix.length) : ` ${token}`;
      const text = i === 0 ? token : continued;
      return cleanUp ? CLEAN_UP.reduce((clean, [from, to]) => clean.replaceAll(from, to), text) : text;
    });
}
