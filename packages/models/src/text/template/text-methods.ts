import { type Bound, bind } from "./arguments.ts";
import { lettersOf } from "./letters.ts";
import { formatBraces } from "./python-format.ts";
import { isSpace, pythonStrip, type STRIPS } from "./python-spaces.ts";
import { type Arguments, iterate, Tuple, typeName, type Value } from "./values.ts";

interface Method {
  readonly parameters: readonly string[];
  readonly run: (text: string, args: Bound) => Value;
}

/** What a text can do: methods of Python's `str`. @throws for one that is not supported here */
export function callTextMethod(name: string, text: string, args: Arguments): Value {
  if (name === "format") return formatBraces(text, args);
  const method = METHODS.get(name)!;
  return method.run(text, bind(`str.${name}()`, method.parameters, args));
}

/** Methods that Python's `str` has: true for those that are supported. */
export function isTextMethod(name: string): boolean | null {
  if (METHODS.has(name) || name === "format") return true;
  return UNSUPPORTED.includes(name) ? false : null;
}

const UNSUPPORTED = [
  "casefold",
  "encode",
  "expandtabs",
  "format_map",
  "isidentifier",
  "istitle",
  "maketrans",
  "translate",
];

const plain = (run: (text: string) => Value): Method => ({ parameters: [], run });
const all = (letter: RegExp): Method =>
  plain((text) => text !== "" && [...text].every((char) => letter.test(char)));
const strip = (side: keyof typeof STRIPS): Method => ({
  parameters: ["chars"],
  run: (text, args) => pythonStrip(text, side, args.value("chars") == null ? null : args.text("chars", "")),
});
const padded = (before: (missing: number, width: number) => number): Method => ({
  parameters: ["width", "fillchar"],
  run: (text, args) => {
    const width = Math.min(args.int("width", 0), 2 ** 22);
    const missing = Math.max(0, width - lettersOf(text).length);
    const left = before(missing, width);
    const fill = args.text("fillchar", " ");
    return fill.repeat(left) + text + fill.repeat(missing - left);
  },
});
const search = (find: "indexOf" | "lastIndexOf", absent: "refused" | "-1"): Method => ({
  parameters: ["sub"],
  run: (text, args) => {
    const at = text[find](args.text("sub", ""));
    if (at < 0 && absent === "refused") throw new Error("substring not found");
    return BigInt(at < 0 ? at : lettersOf(text.slice(0, at)).length);
  },
});
const affixed = (test: "startsWith" | "endsWith"): Method => ({
  parameters: ["affix"],
  run: (text, args) => {
    const affix = args.value("affix");
    const texts = affix instanceof Tuple ? affix.items : [affix];
    return texts.some((one) => {
      if (typeof one !== "string") throw new Error(`${test} needs a text or a tuple of texts`);
      return text[test](one);
    });
  },
});
const parted = (find: "indexOf" | "lastIndexOf"): Method => ({
  parameters: ["sep"],
  run: (text, args) => {
    const sep = args.text("sep", "");
    if (sep === "") throw new Error("empty separator");
    const at = text[find](sep);
    if (at >= 0) return new Tuple([text.slice(0, at), sep, text.slice(at + sep.length)]);
    return new Tuple(find === "indexOf" ? [text, "", ""] : ["", "", text]);
  },
});

const METHODS: ReadonlyMap<string, Method> = new Map<string, Method>([
  ["upper", plain((text) => text.toUpperCase())],
  ["lower", plain((text) => text.toLowerCase())],
  ["capitalize", plain(capitalized)],
  ["title", plain((text) => text.replaceAll(/\p{L}+/gu, capitalized))],
  [
    "swapcase",
    plain((text) =>
      [...text].map((c) => (c === c.toLowerCase() ? c.toUpperCase() : c.toLowerCase())).join(""),
    ),
  ],
  ["strip", strip("strip")],
  ["lstrip", strip("lstrip")],
  ["rstrip", strip("rstrip")],
  ["center", padded((missing, width) => (missing >> 1) + (missing & width & 1))],
  ["ljust", padded(() => 0)],
  ["rjust", padded((missing) => missing)],
  ["zfill", { parameters: ["width"], run: (text, args) => zeroFilled(text, args.int("width", 0)) }],
  ["find", search("indexOf", "-1")],
  ["rfind", search("lastIndexOf", "-1")],
  ["index", search("indexOf", "refused")],
  ["rindex", search("lastIndexOf", "refused")],
  ["count", { parameters: ["sub"], run: (text, args) => BigInt(occurrences(text, args.text("sub", ""))) }],
  ["startswith", affixed("startsWith")],
  ["endswith", affixed("endsWith")],
  ["partition", parted("indexOf")],
  ["rpartition", parted("lastIndexOf")],
  [
    "removeprefix",
    { parameters: ["prefix"], run: (text, args) => withoutPrefix(text, args.text("prefix", "")) },
  ],
  [
    "removesuffix",
    { parameters: ["suffix"], run: (text, args) => withoutSuffix(text, args.text("suffix", "")) },
  ],
  [
    "replace",
    {
      parameters: ["old", "new", "count"],
      run: (text, args) => replaced(text, args.text("old", ""), args.text("new", ""), args.int("count", -1)),
    },
  ],
  [
    "split",
    {
      parameters: ["sep", "maxsplit"],
      run: (text, args) => split(text, sepOf(args), args.int("maxsplit", -1)),
    },
  ],
  [
    "rsplit",
    {
      parameters: ["sep", "maxsplit"],
      run: (text, args) => splitFromRight(text, sepOf(args), args.int("maxsplit", -1)),
    },
  ],
  ["splitlines", { parameters: ["keepends"], run: (text, args) => splitLines(text, args.flag("keepends")) }],
  ["join", { parameters: ["iterable"], run: (text, args) => joined(text, args.value("iterable")) }],
  ["isalnum", all(/[\p{L}\p{N}]/u)],
  ["isalpha", all(/\p{L}/u)],
  ["isascii", plain((text) => /^[\0-\x7f]*$/.test(text))],
  ["isdecimal", all(/\p{Nd}/u)],
  ["isdigit", all(/[\p{Nd}²³¹⁰⁴-⁹₀-₉]/u)],
  ["isnumeric", all(/\p{N}/u)],
  ["isspace", plain((text) => text !== "" && [...text].every(isSpace))],
  ["islower", plain((text) => /\p{Ll}/u.test(text) && !/[\p{Lu}\p{Lt}]/u.test(text))],
  ["isupper", plain((text) => /\p{Lu}/u.test(text) && !/[\p{Ll}\p{Lt}]/u.test(text))],
]);

/** The first letter large and the others small. */
export function capitalized(text: string): string {
  const [first = "", ...rest] = lettersOf(text);
  return first.toUpperCase() + rest.join("").toLowerCase();
}

/** `count` below 0 replaces all. */
export function replaced(text: string, old: string, by: string, count: number): string {
  if (count < 0)
    return old === "" ? by + [...text].map((char) => char + by).join("") : text.replaceAll(old, () => by);
  if (old === "") throw new Error("replacing nothing so many times is not supported");
  const parts = split(text, old, count) as string[];
  return parts.join(by);
}

function sepOf(args: Bound): string | null {
  return args.value("sep") == null ? null : args.text("sep", "");
}

function split(text: string, sep: string | null, most: number): Value[] {
  if (sep === "") throw new Error("empty separator");
  const limit = most < 0 ? Number.POSITIVE_INFINITY : most;
  if (sep === null) return splitAtSpaces(text, limit);
  const parts = text.split(sep);
  return parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(sep)];
}

function splitAtSpaces(text: string, limit: number): string[] {
  const letters = [...text];
  const parts: string[] = [];
  let at = 0;
  const skip = (spaces: boolean): number => {
    while (at < letters.length && isSpace(letters[at]!) === spaces) at += 1;
    return at;
  };
  for (let start = skip(true); start < letters.length; start = skip(true)) {
    if (parts.length >= limit) return [...parts, letters.slice(start).join("")];
    parts.push(letters.slice(start, skip(false)).join(""));
  }
  return parts;
}

function splitFromRight(text: string, sep: string | null, most: number): Value[] {
  if (most < 0) return split(text, sep, most);
  const mirrored = (part: string) => [...part].reverse().join("");
  const parts = split(mirrored(text), sep === null ? null : mirrored(sep), most) as string[];
  return parts.map(mirrored).reverse();
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: Python ends lines at them
const LINE_ENDS = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/g;

/** `str.splitlines`. */
export function splitLines(text: string, keepEnds = false): string[] {
  const lines: string[] = [];
  let start = 0;
  for (const { 0: end, index } of text.matchAll(LINE_ENDS)) {
    lines.push(text.slice(start, keepEnds ? index + end.length : index));
    start = index + end.length;
  }
  return start < text.length ? [...lines, text.slice(start)] : lines;
}

function joined(separator: string, iterable: Value | undefined): string {
  const items = iterate(iterable ?? null);
  const wrong = items.findIndex((item) => typeof item !== "string");
  if (wrong >= 0)
    throw new Error(`sequence item ${wrong}: expected str instance, ${typeName(items[wrong]!)} found`);
  return items.join(separator);
}

function occurrences(text: string, part: string): number {
  return part === "" ? lettersOf(text).length + 1 : text.split(part).length - 1;
}

function zeroFilled(text: string, width: number): string {
  const [, sign, digits] = /^([+-]?)(.*)$/s.exec(text)!;
  return sign + "0".repeat(Math.max(0, Math.min(width, 2 ** 22) - lettersOf(text).length)) + digits;
}

function withoutPrefix(text: string, prefix: string): string {
  return text.startsWith(prefix) ? text.slice(prefix.length) : text;
}

function withoutSuffix(text: string, suffix: string): string {
  return suffix !== "" && text.endsWith(suffix) ? text.slice(0, -suffix.length) : text;
}
