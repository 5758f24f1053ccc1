import { classifyName } from "../../candidates/names.ts";
import type { CodePiece } from "../../candidates/near-code.ts";
import type { Span } from "../../text/span.ts";

/** A `def` as far as the lines of a file tell, at any depth. */
export interface OutlinedFunction extends CodePiece {
  /** Where it is declared, its decorators left out, and where its name ends. */
  readonly header: Span;
  /** From the first statement on a line below the header to the last; undefined for a body on the header's own line. */
  readonly body: Span | undefined;
  /** Whether something is declared or imported inside that others may ask for. */
  readonly declares: boolean;
  /** Whether it is a member of a class that is called a norm. */
  readonly ofNorm: boolean;
}

export interface Outline {
  readonly functions: readonly OutlinedFunction[];
  /** The file's own statements, without imports and top-level classes. */
  readonly module: CodePiece;
  /** Long strings that are statements of their own, outside of functions. */
  readonly docstrings: readonly Span[];
  /**
   * Comments and blank lines between statements, up to the end of the line before the next one. Where a block ends, comments may belong
   * to it, and stay.
   */
  readonly gaps: readonly Span[];
  /** Comments and strings in which no code stands. */
  readonly prose: readonly Span[];
  /** What is called by the name of a variable: `norm = lambda x: ...`. */
  readonly lambdas: readonly CodePiece[];
}

interface OpenFunction {
  readonly name: string;
  readonly start: number;
  readonly header: Span;
  readonly indent: number;
  readonly ofNorm: boolean;
  readonly owner: string | undefined;
  body: number | undefined;
  declares: boolean;
}

/**
 * Where the functions of a file are, told by its lines, brackets and strings: a hundredth of the time that a parser takes.
 * Undefined where brackets or strings do not close, so that lines tell nothing.
 */
export function outlineOf(text: string): Outline | undefined {
  const functions: OutlinedFunction[] = [];
  const lambdas: CodePiece[] = [];
  const open: OpenFunction[] = [];
  const own: Span[] = [];
  const docstrings: Span[] = [];
  const gaps: Span[] = [];
  const prose: Span[] = [];
  /** Classes and functions around, outermost first. */
  const scopes: { readonly indent: number; readonly className: string | undefined }[] = [];
  let inClass: string | undefined;
  let decorated: number | undefined;
  let header: OpenFunction | undefined;
  let lastEnd = 0;
  let lastIndent = 0;
  const close = (indent: number): void => {
    for (let one = open.at(-1); one !== undefined && one.indent >= indent; one = open.at(-1)) {
      open.pop();
      functions.push(closed(one, lastEnd));
    }
  };
  const hasLambda = text.includes("lambda");
  for (const line of logicalLines(text, prose)) {
    if (line === undefined) return undefined;
    const { start, end, indent } = line;
    const gapEnd = lineBefore(text, start);
    if (indent >= lastIndent && gapEnd - lastEnd > shortestGap) gaps.push({ start: lastEnd, end: gapEnd });
    if (header !== undefined && indent > header.indent) header.body = start;
    header = undefined;
    close(indent);
    while ((scopes.at(-1)?.indent ?? -1) >= indent) scopes.pop();
    const first = text.charCodeAt(start);
    const word = firstWord(text, start);
    const isDeclaration = word === "class" || word === "import" || word === "from";
    if (indent === 0) inClass = word === "class" ? (nameAt(text, start, classes) ?? "") : undefined;
    const definition = word === "def" || word === "async" ? nameAt(text, start, definitions) : undefined;
    if (definition !== undefined) {
      const ofNorm = inClass !== undefined && classifyName(inClass) === "norm";
      header = {
        name: definition,
        start: decorated ?? start,
        header: { start, end: definitions.lastIndex },
        indent,
        ofNorm,
        owner: scopes.at(-1)?.className,
        body: undefined,
        declares: false,
      };
      open.push(header);
    } else if (isDeclaration || word === "global") {
      for (const one of open) one.declares = true;
    } else if (hasLambda) {
      const lambda = nameAt(text, start, namedLambdas);
      if (lambda !== undefined)
        lambdas.push({ calledAs: lambda, owner: undefined, ranges: [{ start, end }] });
    }
    const isDocstring = end - start > shortestDocstring && isOnlyString(text, start, end);
    if (isDocstring && open.length === 0) docstrings.push({ start, end });
    if (open.length === 0 && inClass === undefined && !isDeclaration && !isDocstring)
      own.push({ start, end });
    const className = word === "class" ? (nameAt(text, start, classes) ?? "") : undefined;
    if (definition !== undefined || className !== undefined) scopes.push({ indent, className });
    decorated = first === 64 ? (decorated ?? start) : undefined;
    lastEnd = end;
    lastIndent = indent;
  }
  close(0);
  return {
    functions,
    lambdas,
    docstrings,
    gaps,
    prose,
    module: { calledAs: undefined, owner: undefined, ranges: own },
  };
}

/** What is shorter is read as fast as it is left out. */
const shortestDocstring = 64;

/** A gap that is no longer is read as fast as it is left out. */
const shortestGap = 16;

/** The end of the line before the one that a statement starts in. */
function lineBefore(text: string, start: number): number {
  let at = start;
  while (at > 0 && !isLineEnd(text.charCodeAt(at - 1))) at -= 1;
  if (text.startsWith("\r\n", at - 2)) return at - 2;
  return Math.max(0, at - 1);
}

function isOnlyString(text: string, start: number, end: number): boolean {
  const quote = text.slice(start, start + 3);
  return (quote === '"""' || quote === "'''") && endOfString(text, start) + 1 === end;
}

const classes = /class[ \t]+([\p{L}_][\p{L}\p{N}_]*)/uy;
const definitions = /(?:async[ \t]+)?def[ \t]+([\p{L}_][\p{L}\p{N}_]*)/uy;
const namedLambdas = /([\p{L}_][\p{L}\p{N}_]*)[ \t]*(?::[^=\r\n]*)?=[ \t]*lambda\b/uy;

function nameAt(text: string, start: number, pattern: RegExp): string | undefined {
  pattern.lastIndex = start;
  return pattern.exec(text)?.[1];
}

function closed(
  { name, start, header, body, declares, ofNorm, owner }: OpenFunction,
  end: number,
): OutlinedFunction {
  return {
    // A constructor is never called by its name.
    calledAs: name === "__init__" ? undefined : name,
    ranges: [{ start, end }],
    header,
    body: body === undefined ? undefined : { start: body, end },
    declares,
    ofNorm,
    owner,
  };
}

/** The word of lower case letters that a line begins with. */
function firstWord(text: string, start: number): string {
  let end = start;
  for (let code = text.charCodeAt(end); code >= 97 && code <= 122; code = text.charCodeAt(++end));
  return text.slice(start, end);
}

interface LogicalLine {
  /** Its first character that is no white space. */
  readonly start: number;
  /** Behind its last character, a comment at its end left out. */
  readonly end: number;
  /** Columns, a tab going on to the next multiple of 8. */
  readonly indent: number;
}

/** The lines that statements begin on, without those that are blank or only a comment; undefined in the end for one that never closes. `prose` is added to. */
function* logicalLines(text: string, prose: Span[]): Iterable<LogicalLine | undefined> {
  const { length } = text;
  let at = 0;
  while (at < length) {
    let indent = 0;
    let code = text.charCodeAt(at);
    while (code === 32 || code === 9 || code === 12) {
      indent = code === 9 ? (indent | 7) + 1 : code === 12 ? 0 : indent + 1;
      code = text.charCodeAt(++at);
    }
    if (code === 10 || code === 13) {
      at += 1;
      continue;
    }
    const start = at;
    const end = endOfStatements(text, at, prose);
    if (end === -1) {
      yield undefined;
      return;
    }
    if (end > start) yield { start, end, indent };
    at = lineEnd(text, end);
    if (at > end) prose.push({ start: end, end: at });
  }
}

function lineEnd(text: string, from: number): number {
  let at = from;
  for (; at < text.length; at++) {
    if (isLineEnd(text.charCodeAt(at))) break;
  }
  return at;
}

function isLineEnd(code: number): boolean {
  return code === 10 || code === 13;
}

/** Behind the last character of the statements that start at `from`, or -1 when a bracket or a string never closes. */
function endOfStatements(text: string, from: number, prose: Span[]): number {
  let depth = 0;
  let at = from;
  for (; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 10: // a line ends
      case 13:
        if (depth === 0) return withoutSpace(text, from, at);
        break;
      case 34: // quotes
      case 39: {
        const start = at;
        at = endOfString(text, start);
        if (at === -1) return -1;
        if (!isFormatted(text, start) && !isKey(text, start)) prose.push({ start, end: at + 1 });
        break;
      }
      case 35: // a comment
        if (depth === 0) return withoutSpace(text, from, at);
        prose.push({ start: at, end: lineEnd(text, at) });
        at = prose.at(-1)!.end - 1;
        break;
      case 92: // a backslash, and what it continues
        at += text.charCodeAt(at + 1) === 13 && text.charCodeAt(at + 2) === 10 ? 2 : 1;
        break;
      case 40: // opening brackets
      case 91:
      case 123:
        depth += 1;
        break;
      case 41: // closing brackets
      case 93:
      case 125:
        depth -= 1;
        if (depth < 0) return -1;
        break;
      default:
    }
  }
  return depth === 0 ? withoutSpace(text, from, Math.min(at, text.length)) : -1;
}

function withoutSpace(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && text.charCodeAt(end - 1) <= 32) end -= 1;
  return end;
}

/** Whether a string may hold code: `f"{x}"`, `tr"{x}"`. */
function isFormatted(text: string, quote: number): boolean {
  const isRaw = "rR".includes(text[quote - 1] ?? " ");
  return "fFtT".includes(text[quote - (isRaw ? 2 : 1)] ?? " ");
}

/**
 * Whether a string is what something is indexed with, or looked up by `getattr`: its name may say as much as that of an
 * attribute.
 */
function isKey(text: string, quote: number): boolean {
  let at = quote - 1;
  while (" \t\r\n(rRbBuU".includes(text[at] ?? "[")) at -= 1;
  if (text[at] === ",") return /\bgetattr\s*\([^()"']*$/.test(text.slice(Math.max(0, at - 80), at));
  return text[at] === "[";
}

/** The last character of the string whose first quote is at `from`, or -1. */
function endOfString(text: string, from: number): number {
  const quote = text[from]!;
  if (text.startsWith(quote.repeat(3), from)) {
    for (let at = from + 3; ; ) {
      const end = text.indexOf(quote.repeat(3), at);
      if (end === -1) return -1;
      const escapes = backslashesBefore(text, end, from + 3);
      if (escapes % 2 === 0) return end + 2;
      at = end + 1;
    }
  }
  const code = quote.charCodeAt(0);
  for (let at = from + 1; at < text.length; at++) {
    const one = text.charCodeAt(at);
    if (one === code) return at;
    if (one === 92) at += text.charCodeAt(at + 1) === 13 && text.charCodeAt(at + 2) === 10 ? 2 : 1;
    else if (one === 10 || one === 13) return -1;
  }
  return -1;
}

function backslashesBefore(text: string, at: number, from: number): number {
  let start = at;
  while (start > from && text.charCodeAt(start - 1) === 92) start -= 1;
  return at - start;
}
