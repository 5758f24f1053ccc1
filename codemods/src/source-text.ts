import type { Language } from "./source-files.ts";

/** Where a piece of text stands: line and column count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** The text of one file with its comments blanked out; every other character keeps its place. */
export interface SourceText {
  readonly code: string;
  positionAt(offset: number): Position;
  /** The line as written, without its line end. */
  lineAt(line: number): string;
}

export function readSourceText(text: string, language: Language): SourceText {
  const lines = text.split(/\r\n|\n|\r/);
  const starts = [0];
  for (const end of text.matchAll(/\r\n|\n|\r/g)) starts.push(end.index + end[0].length);
  return {
    code: language === "python" ? blank(text, pythonComment) : blank(text, scriptComment),
    positionAt(offset) {
      const after = starts.findIndex((start) => start > offset);
      const line = after === -1 ? starts.length : after;
      return { line, column: offset - (starts[line - 1] ?? 0) + 1 };
    },
    lineAt: (line) => lines[line - 1] ?? "",
  };
}

// Only comments that begin a line are surely comments: `"http://x"` holds two slashes, and so may a regular expression.
// A comment mistaken for code costs a false candidate; code mistaken for a comment would lose a true one.
const scriptComment = /^[ \t]*(?:\/\/.*|\/\*[\s\S]*?\*\/)/gm;
const pythonComment = /^[ \t]*#.*/gm;

function blank(text: string, pattern: RegExp): string {
  return text.replace(pattern, (comment) => comment.replace(/[^\r\n]/g, " "));
}
