import type { FileForm } from "../../form/form.ts";
import type { TextEdit } from "../../text/text-edits.ts";
import { insertAt } from "./import-names.ts";
import { placeAmongModules } from "./import-order.ts";
import type { ImportStatement } from "./import-statements.ts";
import { lineEnd, lineStart, newlineOf, nextLine } from "./lines.ts";

/**
 * Adds a new `from` statement where the file's own order wants it: into the section of imports that has its package
 * already, in sorted place; else as a section of its own behind the absolute imports; else before the first statement.
 */
export function insertStatement(
  form: FileForm,
  statements: readonly ImportStatement[],
  module: string,
  line: string,
): TextEdit {
  const { text } = form;
  const newline = newlineOf(text);
  const sections = sectionsOf(text, statements);
  const home = sections.find((section) => section.some((statement) => isKin(statement.module, module)));
  if (home !== undefined) return insertInto(text, home, module, line);
  const isRelative = module.startsWith(".");
  const absolute = sections.filter((section) => isRelative || !section[0]?.module.startsWith("."));
  const before = absolute.at(-1)?.at(-1);
  if (before !== undefined) return afterLine(text, before.span.end, newline + line);
  const start = sections[0]?.[0]?.span.start ?? firstStatement(form);
  if (start === undefined)
    return insertAt(text.length, text === "" ? line + newline : newline + line + newline);
  return insertAt(lineStart(text, start), `${line}${newline}${newline}`);
}

/** Runs of import statements without a blank line or another statement between them. */
function sectionsOf(
  text: string,
  statements: readonly ImportStatement[],
): readonly (readonly ImportStatement[])[] {
  const sections: ImportStatement[][] = [];
  for (const statement of statements) {
    const current = sections.at(-1);
    const previous = current?.at(-1);
    const between = previous && text.slice(previous.span.end, statement.span.start);
    if (between !== undefined && isSeam(between)) current?.push(statement);
    else sections.push([statement]);
  }
  return sections;
}

/** Nothing but line ends and comments, and no blank line. */
function isSeam(between: string): boolean {
  const lines = between.split(/\r\n|\n|\r/);
  const [first = "", ...rest] = lines;
  const inner = rest.slice(0, -1);
  return /^\s*(?:;\s*)?(?:#.*)?$/.test(first) && inner.every((line) => /^\s*#/.test(line));
}

function isKin(module: string, other: string): boolean {
  if (module.startsWith(".") || other.startsWith(".")) return module.startsWith(".") && other.startsWith(".");
  return module.split(".")[0] === other.split(".")[0];
}

function insertInto(
  text: string,
  section: readonly ImportStatement[],
  module: string,
  line: string,
): TextEdit {
  const peers = section.filter(({ kind }) => kind === "from");
  const place = placeAmongModules(
    peers.map((peer) => peer.module),
    module,
  );
  // Behind the one before, so that a comment above the one after stays with it.
  const before = place > 0 ? peers[place - 1] : section.filter(({ kind }) => kind === "import").at(-1);
  if (before !== undefined) return afterLine(text, before.span.end, line);
  return insertAt(lineStart(text, section[0]?.span.start ?? 0), line + newlineOf(text));
}

/** Inserts behind the line that holds `offset`, whether that line has an end or is the last of a file without one. */
function afterLine(text: string, offset: number, line: string): TextEdit {
  const newline = newlineOf(text);
  const next = nextLine(text, offset);
  return next === lineEnd(text, offset) ? insertAt(next, newline + line) : insertAt(next, line + newline);
}

/** The first class, function or statement with the comments above it; the comment that a file begins with is no such. */
function firstStatement({ text, classes, functions, module, comments }: FileForm): number | undefined {
  const starts = [...classes, ...functions, ...module.body].map(({ span }) => span.start);
  if (starts.length === 0) return undefined;
  const first = Math.min(...starts);
  let start = lineStart(text, first);
  for (const { span } of comments.toReversed()) {
    if (nextLine(text, span.end) === start && lineStart(text, span.start) === span.start) start = span.start;
  }
  return start === 0 ? first : start;
}
