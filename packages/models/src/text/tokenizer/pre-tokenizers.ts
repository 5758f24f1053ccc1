import { bytesAsLetters } from "./byte-letters.ts";
import { readStep, readSteps, type Step } from "./parts.ts";
import { literal, readPattern, stretches } from "./pattern.ts";
import { BEHAVIORS, type Behavior, split } from "./split.ts";

/** A piece of the text. Only the first piece of a text is `first`: some tokenizers put a space before that one alone. */
export interface Piece {
  readonly text: string;
  readonly first: boolean;
}

/** A piece to pieces. */
type PreTokenize = (piece: Piece) => readonly Piece[];

const SPACE = /\p{White_Space}/gu;
const WORDS =
  /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]+|[^\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}\p{White_Space}]+/gu;
const PUNCTUATION = /[\p{P}!-/:-@[-`{-~]/gu;
/** GPT-2's rule, for a ByteLevel that splits by itself. */
const GPT2 =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const KINDS: Readonly<Record<string, (step: Step) => PreTokenize>> = {
  ByteLevel: readByteLevel,
  Split: readSplit,
  Whitespace: () => splitAt(WORDS, "Removed", { invert: true }),
  WhitespaceSplit: () => splitAt(SPACE, "Removed"),
  BertPreTokenizer: () => inTurn([splitAt(SPACE, "Removed"), splitAt(PUNCTUATION, "Isolated")]),
  Punctuation: ({ fields }) =>
    splitAt(PUNCTUATION, readBehavior(fields.string("behavior", "Isolated"), fields)),
  Digits: ({ fields }) =>
    splitAt(/\p{N}/gu, fields.boolean("individual_digits", false) ? "Isolated" : "Contiguous"),
  CharDelimiterSplit: ({ fields }) => splitAt(literal(readCharacter(fields, "delimiter")), "Removed"),
  Metaspace: readMetaspace,
  FixedLength: readFixedLength,
};

/** How `pre_tokenizer` of tokenizer.json cuts a text into the pieces that the model sees, as the Rust tokenizers do it. */
export class PreTokenizer {
  /** Whether the first piece of a text is cut in another way than the others. */
  readonly asksForFirst: boolean;
  readonly #run: PreTokenize;

  /** @throws ERR_CHECKPOINT for a kind that is not known */
  constructor(part: unknown, path: string) {
    const steps = readSteps(part, path, "pre_tokenizer", "pretokenizers");
    this.asksForFirst = steps.some(({ fields }) => fields.raw.prepend_scheme === "first");
    this.#run = inTurn(steps.map((step) => readStep(step, KINDS)));
  }

  split(piece: Piece): readonly Piece[] {
    return this.#run(piece);
  }
}

function inTurn(steps: readonly PreTokenize[]): PreTokenize {
  return (piece) => steps.reduce<readonly Piece[]>((pieces, step) => pieces.flatMap(step), [piece]);
}

function splitAt(pattern: RegExp, behavior: Behavior, { invert = false } = {}): PreTokenize {
  return ({ text, first }) => {
    const found = stretches(text, pattern);
    const judged = invert ? found.map((stretch) => ({ ...stretch, match: !stretch.match })) : found;
    const pieces = split(text, judged, behavior);
    // A piece that was dropped from the start leaves none that is first.
    return pieces.map((piece, i) => ({ text: piece, first: first && i === 0 && text.startsWith(piece) }));
  };
}

function readSplit({ fields }: Step): PreTokenize {
  const behavior = readBehavior(fields.string("behavior"), fields);
  return splitAt(readPattern(fields), behavior, { invert: fields.boolean("invert", false) });
}

function readBehavior(name: string, fields: Step["fields"]): Behavior {
  const known = BEHAVIORS.find((behavior) => behavior === name);
  return (
    known ?? fields.fail("behavior", `must be one of ${BEHAVIORS.join(", ")}, got ${JSON.stringify(name)}`)
  );
}

function readByteLevel({ fields }: Step): PreTokenize {
  const spaced = fields.boolean("add_prefix_space", true);
  const cut = fields.boolean("use_regex", true) ? splitAt(GPT2, "Isolated") : (piece: Piece) => [piece];
  return ({ text, first }) =>
    cut({ text: spaced && !text.startsWith(" ") ? ` ${text}` : text, first }).map((piece) => ({
      ...piece,
      text: bytesAsLetters(piece.text),
    }));
}

function readMetaspace({ fields }: Step): PreTokenize {
  const replacement = readCharacter(fields, "replacement");
  const scheme = fields.string("prepend_scheme", "always");
  if (!["always", "first", "never"].includes(scheme))
    fields.fail("prepend_scheme", `must be one of always, first, never, got ${JSON.stringify(scheme)}`);
  if (!fields.boolean("add_prefix_space", true) && scheme !== "never")
    fields.fail("add_prefix_space", `is false, which prepend_scheme "${scheme}" contradicts`);
  const cut = fields.boolean("split", true)
    ? splitAt(literal(replacement), "MergedWithNext")
    : (piece: Piece) => [piece];
  return ({ text, first }) => {
    const spaced = text.replaceAll(" ", () => replacement);
    const prepend = !spaced.startsWith(replacement) && (scheme === "always" || (scheme === "first" && first));
    return cut({ text: prepend ? replacement + spaced : spaced, first });
  };
}

function readFixedLength({ fields }: Step): PreTokenize {
  const length = fields.positiveInteger("length", 5);
  return ({ text, first }) => {
    const chars = [...text];
    return Array.from({ length: Math.ceil(chars.length / length) }, (_, i) => ({
      text: chars.slice(i * length, (i + 1) * length).join(""),
      first: first && i === 0,
    }));
  };
}

function readCharacter(fields: Step["fields"], key: string): string {
  const text = fields.string(key);
  if ([...text].length !== 1)
    fields.fail(key, `must be one character, got ${JSON.stringify(text.slice(0, 40))}`);
  return text;
}
