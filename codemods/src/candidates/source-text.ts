import type { Language } from "../files/source-files.ts";

/** The text with the comments that begin a line blanked out; every other character keeps its place. */
export function blankComments(text: string, language: Language): string {
  return blankRanges(text, language === "python" ? pythonComments(text) : scriptComments(text));
}

export interface Range {
  readonly start: number;
  readonly end: number;
}

/** The text with spaces for everything in the ranges but line ends. The ranges are in order and apart. */
export function blankRanges(text: string, ranges: Iterable<Range>): string {
  const pieces: string[] = [];
  let done = 0;
  for (const { start, end } of ranges) {
    pieces.push(text.slice(done, start), blank(text.slice(start, end)));
    done = end;
  }
  return done === 0 ? text : pieces.join("") + text.slice(done);
}

/** Spaces for everything but line ends. */
export function blank(text: string): string {
  return text.replace(/[^\r\n]+/g, (line) => " ".repeat(line.length));
}

// Only comments that begin a line are surely comments: `"http://x"` holds two slashes, and so may a regular expression.
// A comment mistaken for code costs a false candidate; code mistaken for a comment would lose a true one.
function* scriptComments(text: string): Iterable<Range> {
  const opener = /^[ \t]*\/[/*]/gm;
  for (let found = opener.exec(text); found !== null; found = opener.exec(text)) {
    const isBlock = text[opener.lastIndex - 1] === "*";
    // A pattern for the whole comment would look for the end of each unclosed one anew.
    const close = isBlock ? text.indexOf("*/", opener.lastIndex) : lineEnd(text, opener.lastIndex);
    if (close === -1) return;
    const end = isBlock ? close + 2 : close;
    yield { start: found.index, end };
    opener.lastIndex = end;
  }
}

// Most lines hold no `#`, so it is looked for, instead of a pattern at the start of each.
function* pythonComments(text: string): Iterable<Range> {
  for (let at = text.indexOf("#"); at !== -1; ) {
    let start = at;
    while (text[start - 1] === " " || text[start - 1] === "\t") start -= 1;
    const beginsLine = start === 0 || lineEnds.has(text[start - 1]!);
    const end = beginsLine ? lineEnd(text, at) : at + 1;
    if (beginsLine) yield { start, end };
    at = text.indexOf("#", end);
  }
}

const lineEnds: ReadonlySet<string> = new Set(["\n", "\r"]);

function lineEnd(text: string, from: number): number {
  const end = /[\r\n]|$/g;
  end.lastIndex = from;
  return end.exec(text)!.index;
}

/** Where a piece of text stands: line and column count from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Tells lines and columns of offsets that only grow, so that the text is walked through once. */
export class LineCounter {
  readonly #text: string;
  readonly #ends = /\r\n|\n|\r/g;
  /** Whether every line ends in `\n`, which is found faster than by a pattern. */
  readonly #isPlain: boolean;
  #line = 1;
  #start = 0;
  #next: number;

  constructor(text: string) {
    this.#text = text;
    this.#isPlain = !text.includes("\r");
    this.#next = this.#find();
  }

  positionAt(offset: number): Position {
    while (this.#next <= offset) {
      this.#start = this.#next;
      this.#line += 1;
      this.#next = this.#find();
    }
    return { line: this.#line, column: offset - this.#start + 1 };
  }

  /** The line of the last position, without its line end. */
  get line(): string {
    return this.#text.slice(this.#start, this.#next).replace(/[\r\n]+$/, "");
  }

  /** Where the line after the current one starts. */
  #find(): number {
    if (this.#isPlain) {
      const end = this.#text.indexOf("\n", this.#start);
      return end === -1 ? Number.POSITIVE_INFINITY : end + 1;
    }
    return this.#ends.exec(this.#text) === null ? Number.POSITIVE_INFINITY : this.#ends.lastIndex;
  }
}
