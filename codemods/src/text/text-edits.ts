import type { Span } from "./span.ts";

/** Replace the text of `span` by `text`; an insertion has an empty span. Edits of one file never overlap. */
export interface TextEdit {
  readonly span: Span;
  readonly text: string;
}

/** Applies edits at once; every other character stays as it is. Throws when two edits overlap. */
export function applyEdits(text: string, edits: readonly TextEdit[]): string {
  const sorted = [...edits].sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
  let out = "";
  let from = 0;
  for (const { span, text: replacement } of sorted) {
    if (span.start < from) throw new Error(`edits overlap at offset ${span.start}`);
    out += text.slice(from, span.start) + replacement;
    from = span.end;
  }
  return out + text.slice(from);
}

export function lineStart(text: string, offset: number): number {
  let start = offset;
  while (start > 0 && !isLineEnd(text[start - 1])) start -= 1;
  return start;
}

/** Offset of the line end at or after `offset`, or the end of the text. */
export function lineEndAt(text: string, offset: number): number {
  let end = offset;
  while (end < text.length && !isLineEnd(text[end])) end += 1;
  return end;
}

/** Offset behind the line end at or after `offset`. */
export function nextLine(text: string, offset: number): number {
  const end = lineEndAt(text, offset);
  if (text.startsWith("\r\n", end)) return end + 2;
  return Math.min(end + 1, text.length);
}

export function indentAt(text: string, offset: number): string {
  return /^[ \t]*/.exec(text.slice(lineStart(text, offset), offset))?.[0] ?? "";
}

/** The whole lines of a span when nothing else stands on them; else the span itself. */
export function wholeLines(text: string, span: Span): Span {
  const start = lineStart(text, span.start);
  const end = lineEndAt(text, span.end);
  if (text.slice(start, span.start).trim() !== "" || text.slice(span.end, end).trim() !== "") return span;
  return { start, end: nextLine(text, span.end) };
}

export function isBlankLineAt(text: string, offset: number): boolean {
  return offset < text.length && text.slice(lineStart(text, offset), lineEndAt(text, offset)).trim() === "";
}

function isLineEnd(character: string | undefined): boolean {
  return character === "\n" || character === "\r";
}
