import { isSpace, pythonStrip } from "./python-spaces.ts";

/** A piece of a template: text that is printed as it is, or what stands in `{% %}` or `{{ }}`. */
export interface Segment {
  readonly kind: "text" | "statement" | "expression";
  readonly text: string;
}

const ENDS = { statement: "%}", expression: "}}", comment: "#}" } as const;
const KINDS = { "%": "statement", "{": "expression", "#": "comment" } as const;

/**
 * Cuts a template where Jinja's lexer does, as transformers sets it up: `trim_blocks` takes the line end after a tag,
 * `lstrip_blocks` the spaces of its line before it, `-` all spaces on its side, and `+` none.
 *
 * @throws for a tag without an end
 */
export function cut(source: string): readonly Segment[] {
  const text = source.replaceAll(/\r\n?/g, "\n").replace(/\n$/, "");
  const segments: Segment[] = [];
  let at = 0;
  // Whether `at` stands at the beginning of a line.
  let fresh = true;
  const push = (kind: Segment["kind"], piece: string): void => {
    if (kind !== "text" || piece !== "") segments.push({ kind, text: piece });
  };
  while (at < text.length) {
    const open = findOpening(text, at);
    if (open === null) {
      push("text", text.slice(at));
      break;
    }
    const kind = KINDS[text[open + 1] as keyof typeof KINDS];
    const sign = text[open + 2] === "-" || text[open + 2] === "+" ? text[open + 2]! : "";
    push("text", before(text.slice(at, open), kind, sign, fresh));
    const start = open + 2 + sign.length;
    const raw = kind === "statement" ? RAW.exec(text.slice(start)) : null;
    if (raw !== null) {
      const body = readRaw(text, start + raw[0].length);
      push("text", body.text);
      at = body.end;
    } else {
      const end = kind === "comment" ? endOfComment(text, start) : endOfTag(text, start, kind);
      const closing =
        text[end - 1] === "-" || (text[end - 1] === "+" && kind !== "expression") ? text[end - 1]! : "";
      const body = text.slice(start, Math.max(start, end - closing.length));
      if (kind !== "comment") push(kind, body);
      at = after(text, end + 2, kind, closing);
    }
    fresh = text[at - 1] === "\n";
  }
  return segments;
}

function findOpening(text: string, from: number): number | null {
  const match = /\{[%{#]/g;
  match.lastIndex = from;
  return match.exec(text)?.index ?? null;
}

function before(text: string, kind: keyof typeof ENDS, sign: string, fresh: boolean): string {
  if (sign === "-") return pythonStrip(text, "rstrip");
  if (sign === "+" || kind === "expression") return text;
  const line = text.lastIndexOf("\n") + 1;
  if (line === 0 && !fresh) return text;
  return [...text.slice(line)].every(isSpace) ? text.slice(0, line) : text;
}

/** Where text goes on after a tag. */
function after(text: string, end: number, kind: keyof typeof ENDS, closing: string): number {
  if (closing === "-") return skipSpaces(text, end);
  return kind !== "expression" && closing === "" && text[end] === "\n" ? end + 1 : end;
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (at < text.length && isSpace(text[at]!)) at += 1;
  return at;
}

function endOfComment(text: string, start: number): number {
  const end = text.indexOf(ENDS.comment, start);
  if (end < 0) throw new Error("Missing end of comment tag");
  return end;
}

/** Where `%}` or `}}` stands, which is none inside a text or brackets. */
function endOfTag(text: string, start: number, kind: "statement" | "expression"): number {
  let depth = 0;
  for (let at = start; at < text.length; at++) {
    const char = text[at]!;
    if (depth === 0 && text.startsWith(ENDS[kind], at)) return at;
    if (char === '"' || char === "'") at = endOfText(text, at);
    else if ("([{".includes(char)) depth += 1;
    else if (")]}".includes(char)) depth -= 1;
  }
  throw new Error(`Missing end of a tag: ${ENDS[kind]}`);
}

function endOfText(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === text[start]) return at;
  }
  throw new Error("Missing end of a text");
}

const RAW = /^\s*raw\s*(?:-%\}\s*|%\})/;

/** What stands between `raw` and `endraw`, and where text goes on. */
function readRaw(text: string, start: number): { readonly text: string; readonly end: number } {
  const endRaw = /\{%([-+]?)\s*endraw\s*(?:\+%\}|-%\}\s*|%\}\n?)/g;
  endRaw.lastIndex = start;
  const end = endRaw.exec(text);
  if (end === null) throw new Error("Missing end of raw directive");
  return {
    text: before(text.slice(start, end.index), "statement", end[1]!, text[start - 1] === "\n"),
    end: end.index + end[0].length,
  };
}
