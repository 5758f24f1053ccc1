import type { FileForm } from "../form/form.ts";
import { perForm } from "../form/per-form.ts";
import { indentAt, lineStart } from "../text/text-edits.ts";
import type { CodeLayout } from "./front-end.ts";

/** How a file is laid out, so that new code looks like the code around it. */
export interface FileStyle {
  readonly lineEnd: CodeLayout["lineEnd"];
  readonly unit: string;
  readonly width: number;
  readonly semicolon: boolean;
}

const blackWidth = 88;

export const styleOf = perForm(({ text, language }): FileStyle => {
  const lines = text.split(/\r\n|\n|\r/);
  const indents = lines.flatMap((line) => /^(\t+|(?: {2,}))\S/.exec(line)?.[1] ?? []);
  const isTabs = indents.filter((indent) => indent.startsWith("\t")).length > indents.length / 2;
  const narrow = indents.filter((indent) => indent.length % 4 !== 0 && !indent.startsWith("\t")).length;
  const spaces = language === "python" || narrow <= indents.length / 20 ? 4 : 2;
  // The longest line says what the author's formatter allows; beyond 120 it is a string or an accident.
  const longest = Math.max(80, ...lines.map(({ length }) => (length <= 120 ? length : 0)));
  const ends = lines.filter((line) => /[)\]}\w"'](?:;)\s*$/.test(line)).length;
  return {
    lineEnd: lineEndOf(text),
    unit: isTabs ? "\t" : " ".repeat(spaces),
    width: language === "python" ? blackWidth : longest,
    semicolon: language !== "python" && (ends > 0 || lines.length < 3),
  };
});

function lineEndOf(text: string): CodeLayout["lineEnd"] {
  const found = /\r\n|\n|\r/.exec(text)?.[0];
  return found === "\r\n" || found === "\r" ? found : "\n";
}

/** The layout for code that starts at `offset`, after `before` on its line. */
export function layoutAt(form: FileForm, offset: number, before: string): CodeLayout {
  const { lineEnd, unit, width } = styleOf(form);
  const indent = indentAt(form.text, offset);
  const onLine = form.text.slice(lineStart(form.text, offset), offset);
  return {
    indent,
    unit,
    lineEnd,
    width,
    column: onLine.length + before.length,
    get quote() {
      return quoteOf(form);
    },
  };
}

const quoteOf = perForm(({ text }): CodeLayout["quote"] => {
  const opened = text.match(/(["'])(?:\\.|(?!\1)[^\\\n])+\1/g) ?? [];
  const single = opened.filter((string) => string.startsWith("'")).length;
  return single > opened.length / 2 ? "'" : '"';
});
