import type { ImportedName, Span } from "../../form/form.ts";
import { isDirective } from "../../text/directives.ts";
import type { TextEdit } from "../../text/text-edits.ts";
import { placeAmongNames } from "./import-order.ts";
import type { ImportStatement } from "./import-statements.ts";
import { indentAt, indentUnit, isBlankLine, lineEnd, lineStart, newlineOf, nextLine } from "./lines.ts";

export interface NameChanges {
  readonly add: readonly string[];
  readonly drop: readonly ImportedName[];
  /** The longest line that the imports of the file have. */
  readonly width: number;
}

/** Edits of one import statement. Without a name left, the statement goes. */
export function editNames(
  text: string,
  statement: ImportStatement,
  changes: NameChanges,
): readonly TextEdit[] {
  const kept = statement.names.filter((name) => !changes.drop.includes(name));
  if (kept.length === 0 && changes.add.length === 0)
    return [{ span: lineSpan(text, statement.span), text: "" }];
  const [first] = statement.names;
  const last = statement.names.at(-1);
  if (first === undefined || last === undefined) return [];
  const list = { start: first.span.start, end: last.span.end };
  const { open, close } = statement.parens ?? { open: list.start, close: list.end };
  const isInline = !/[\r\n]/.test(text.slice(open, close));
  const isEmptied = kept.length === 0;
  if (isInline || isEmptied) return [writeInline(text, statement, list, kept, changes)];
  return [
    ...changes.drop.map((name) => dropName(text, statement, name)),
    ...changes.add.flatMap((name) => insertName(text, kept, name)),
  ];
}

/** `a, b` becomes `a, b, c`, in parentheses on lines of their own if the line gets too long. */
function writeInline(
  text: string,
  statement: ImportStatement,
  list: Span,
  kept: readonly ImportedName[],
  { add, width }: NameChanges,
): TextEdit {
  const names = kept.map(({ span }) => text.slice(span.start, span.end));
  for (const name of add) names.splice(placeAmongNames(names, name), 0, name);
  const line = names.join(", ");
  const column = list.start - lineStart(text, list.start);
  const newline = newlineOf(text);
  // On several lines a comment at the end, `# noqa`, would stand elsewhere.
  const isToldTools = isDirective(text.slice(list.end, lineEnd(text, list.end)));
  if (column + line.length <= width || add.length === 0 || isToldTools) return { span: list, text: line };
  const lines = names.map((name) => `${newline}${indentUnit(text)}${name},`).join("") + newline;
  if (statement.parens === undefined) return { span: list, text: `(${lines})` };
  return { span: { start: statement.parens.open + 1, end: statement.parens.close }, text: lines };
}

/** Takes a name out of a list over several lines: its line if it has one to itself. */
function dropName(text: string, statement: ImportStatement, { span }: ImportedName): TextEdit {
  const start = lineStart(text, span.start);
  const rest = text.slice(span.end, lineEnd(text, span.end));
  if (text.slice(start, span.start).trim() === "" && /^\s*,?\s*(?:#.*)?$/.test(rest)) {
    return { span: { start, end: nextLine(text, span.end) }, text: "" };
  }
  const comma = /^\s*,[ \t]*/.exec(text.slice(span.end, statement.span.end));
  if (comma !== null) return { span: { start: span.start, end: span.end + comma[0].length }, text: "" };
  const before = /,\s*$/.exec(text.slice(statement.span.start, span.start));
  return { span: { start: span.start - (before?.[0].length ?? 0), end: span.end }, text: "" };
}

/** Puts a name on a line of its own, in sorted place. */
function insertName(text: string, kept: readonly ImportedName[], name: string): readonly TextEdit[] {
  const place = placeAmongNames(
    kept.map(({ imported }) => imported),
    name,
  );
  const next = kept[place];
  const newline = newlineOf(text);
  if (next !== undefined) {
    const start = lineStart(text, next.span.start);
    if (text.slice(start, next.span.start).trim() !== "") return [insertAt(next.span.start, `${name}, `)];
    return [insertAt(start, `${indentAt(text, start)}${name},${newline}`)];
  }
  const last = kept.at(-1);
  if (last === undefined) return [];
  const indent = indentAt(text, last.span.start);
  const comma = /^\s*,/.exec(text.slice(last.span.end))?.[0];
  const end = last.span.end + (comma?.length ?? 0);
  const closesHere = text.slice(end, lineEnd(text, end)).includes(")");
  if (closesHere) return [insertAt(end, `${comma ? "" : ","}${newline}${indent}${name}${comma ? "," : ""}`)];
  // Behind the comment that the line of the last name may end with.
  const line = insertAt(lineEnd(text, end), `${newline}${indent}${name},`);
  return comma === undefined ? [insertAt(end, ","), line] : [line];
}

/** The lines of a statement; between two blank lines one of them too. A statement that shares its line goes alone. */
function lineSpan(text: string, { start, end }: Span): Span {
  const before = text.slice(lineStart(text, start), start);
  const after = /^[ \t]*;[ \t]*/.exec(text.slice(end));
  if (after !== null) return { start, end: end + after[0].length };
  if (before.trim() !== "")
    return { start: lineStart(text, start) + before.replace(/[ \t]*;[ \t]*$/, "").length, end };
  const first = lineStart(text, start);
  const next = nextLine(text, end);
  const standsAlone = first === 0 || isBlankLine(text, first - 1);
  return {
    start: first,
    end: standsAlone && next < text.length && isBlankLine(text, next) ? nextLine(text, next) : next,
  };
}

export function insertAt(offset: number, text: string): TextEdit {
  return { span: { start: offset, end: offset }, text };
}
