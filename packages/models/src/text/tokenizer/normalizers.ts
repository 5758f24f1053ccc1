import { QkNormError } from "@qknorm/core";
import type { JsonObject } from "../../checkpoint/json-file.ts";
import { bytesAsLetters } from "./byte-letters.ts";
import { readStep, readSteps, type Step } from "./parts.ts";
import { readPattern, stretches } from "./pattern.ts";

/** A text to a text. `longest` bounds what may come out, in UTF-16 units. */
type Normalize = (text: string, longest: number) => string;

/** What all normalizers together may make of a text: so many times its length, and so many characters more. */
const GROWTH = { times: 32, characters: 2 ** 20 };

const KINDS: Readonly<Record<string, (step: Step) => Normalize>> = {
  NFC: () => (text) => text.normalize("NFC"),
  NFD: () => (text) => text.normalize("NFD"),
  NFKC: () => (text) => text.normalize("NFKC"),
  NFKD: () => (text) => text.normalize("NFKD"),
  Lowercase: () => lowercase,
  StripAccents: () => (text) => text.replaceAll(/\p{M}/gu, ""),
  Strip: ({ fields }) => {
    const left = fields.boolean("strip_left", true) ? "^\\p{White_Space}+" : "(?!)";
    const right = fields.boolean("strip_right", true);
    const start = new RegExp(left, "u");
    return (text) => (right ? withoutTrailingSpace : same)(text.replace(start, ""));
  },
  Nmt: () => (text) =>
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
    text.replaceAll(/[\x01-\x08\x0B\x0E-\x1F\x7F\x8F\x9F]/g, "").replaceAll(NMT_SPACES, " "),
  Replace: readReplace,
  Prepend: ({ fields }) => {
    const prefix = fields.string("prepend");
    return (text) => (text === "" ? "" : prefix + text);
  },
  ByteLevel: () => bytesAsLetters,
  BertNormalizer: readBert,
};

const NMT_SPACES = /[\t\n\f\r\u1680\u200B-\u200F\u2028\u2029\u2581\uFEFF\uFFFD]/g;

/** Kinds that may take characters away from the start of a text. */
const DROPPING = ["Strip", "StripAccents", "Nmt", "Replace", "BertNormalizer"];

/** What `normalizer` of tokenizer.json does to a text, as the Rust tokenizers do it. */
export class Normalizer {
  /** A kind after which the first character may be another than before; null if there is none. */
  readonly dropping: string | null;
  readonly #steps: readonly Normalize[];

  /** @throws ERR_CHECKPOINT for a kind that is not known */
  constructor(part: unknown, path: string) {
    const steps = readSteps(part, path, "normalizer", "normalizers");
    this.#steps = steps.map((step) => readStep(step, KINDS));
    this.dropping = steps.find(mayDropStart)?.type ?? null;
  }

  /** @throws ERR_GENERATION for a text that grows beyond all measure */
  normalize(text: string): string {
    const longest = GROWTH.times * text.length + GROWTH.characters;
    return this.#steps.reduce((current, step) => {
      const next = step(current, longest);
      if (next.length > longest) refuseGrowth(longest);
      return next;
    }, text);
  }
}

function mayDropStart({ type, fields }: Step): boolean {
  return DROPPING.includes(type) && !(type === "Replace" && fields.raw.content !== "");
}

function refuseGrowth(longest: number): never {
  throw new QkNormError(
    "ERR_GENERATION",
    `the tokenizer's normalizer makes more than ${longest} characters of this text: ` +
      `at most ${GROWTH.times} times its length and ${GROWTH.characters} more are allowed`,
  );
}

function same(text: string): string {
  return text;
}

// Character by character: a sigma at the end of a word is no special case, as in Rust's char::to_lowercase.
function lowercase(text: string): string {
  let lower = "";
  for (const char of text) lower += char.toLowerCase();
  return lower;
}

// A regular expression anchored at the end would try every run of spaces: quadratic.
function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text[end - 1]!)) end -= 1;
  return text.slice(0, end);
}

function readReplace({ fields }: Step): Normalize {
  const pattern = readPattern(fields);
  const content = fields.string("content");
  const { String: wanted } = fields.raw.pattern as JsonObject;
  if (typeof wanted === "string") return (text, longest) => replaceText(text, wanted, content, longest);
  return (text, longest) => {
    let replaced = "";
    for (const { start, end, match } of stretches(text, pattern)) {
      replaced += match ? content : text.slice(start, end);
      if (replaced.length > longest) refuseGrowth(longest);
    }
    return replaced;
  };
}

function replaceText(text: string, wanted: string, content: string, longest: number): string {
  const parts = text.split(wanted);
  const length = text.length + (parts.length - 1) * (content.length - wanted.length);
  return length > longest ? refuseGrowth(longest) : parts.join(content);
}

function readBert({ fields }: Step): Normalize {
  const lower = fields.boolean("lowercase", true);
  const steps: Normalize[] = [];
  if (fields.boolean("clean_text", true)) steps.push(cleanText);
  if (fields.boolean("handle_chinese_chars", true))
    steps.push((text) => text.replaceAll(CHINESE, (char) => ` ${char} `));
  if (fields.boolean("strip_accents", lower))
    steps.push((text) => text.normalize("NFD").replaceAll(/\p{Mn}/gu, ""));
  if (lower) steps.push(lowercase);
  return (text, longest) => steps.reduce((current, step) => step(current, longest), text);
}

const CHINESE =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B920}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/gu;

function cleanText(text: string): string {
  return text.replaceAll(/[\0\uFFFD]|(?![\t\n\r])\p{C}/gu, "").replaceAll(/\p{White_Space}/gu, " ");
}
