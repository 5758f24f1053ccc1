import type { Span } from "../../../text/span.ts";

/** What this parser does not read: the text is left to tree-sitter, which also says what is wrong with it. */
export class NotRead extends Error {
  override readonly name = "NotRead";
}

export interface Token extends Span {
  readonly kind: "name" | "number" | "string" | "operator" | "newline" | "indent" | "dedent" | "end";
  /** As written; "" for what is no text. */
  readonly text: string;
  /** Of a string. */
  readonly string?: StringParts;
}

export interface StringParts {
  readonly content: Span;
  readonly isRaw: boolean;
  /** The `{...}` of an f-string. */
  readonly holes: readonly Hole[];
}

export interface Hole extends Span {
  readonly tokens: readonly Token[];
  /** `!r` */
  readonly conversion: Span | undefined;
  /** From its colon on. */
  readonly specifier: (Span & { readonly holes: readonly Hole[] }) | undefined;
}

/** All tokens of a file, and its comments. Throws `NotRead`. */
export function tokensOf(text: string): { tokens: readonly Token[]; comments: readonly Span[] } {
  return new Tokenizer(text).file();
}

/** A comment on a line of its own, which may still belong to the block above it. */
interface OwnLine {
  readonly indent: number;
  readonly end: number;
}

class Tokenizer {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #tokens: Token[] = [];
  readonly #comments: Span[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  file(): { tokens: readonly Token[]; comments: readonly Span[] } {
    const indents = [0];
    let waiting: OwnLine[] = [];
    for (;;) {
      const indent = this.#indentation();
      const code = this.#text.charCodeAt(this.#at);
      if (isLineEnd(code)) {
        this.#lineEnd();
        continue;
      }
      if (code === 35) {
        this.#comment();
        waiting.push({ indent, end: this.#at });
        continue;
      }
      const isEnd = this.#at >= this.#text.length;
      waiting = this.#indent(indents, isEnd ? 0 : indent, waiting);
      if (isEnd) break;
      this.#logicalLine();
    }
    this.#push("end", this.#at, this.#at);
    return { tokens: this.#tokens, comments: this.#comments };
  }

  /** Columns of white space from here on. */
  #indentation(): number {
    let columns = 0;
    for (; ; this.#at++) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 32) columns += 1;
      else if (code === 9) columns += 8;
      else if (code === 12) columns = 0;
      else return columns;
    }
  }

  /** Blocks that begin or end here. A comment goes to the innermost block that it is not to the left of. */
  #indent(indents: number[], indent: number, waiting: OwnLine[]): OwnLine[] {
    const top = indents.at(-1)!;
    if (indent > top) {
      indents.push(indent);
      this.#push("indent", this.#at, this.#at);
      return [];
    }
    let left = waiting;
    while (indent < indents.at(-1)!) {
      const inner = indents.pop()!;
      const firstOut = left.findIndex((one) => one.indent < inner);
      const count = firstOut === -1 ? left.length : firstOut;
      const end = left[count - 1]?.end ?? -1;
      left = left.slice(count);
      this.#push("dedent", end, end);
    }
    if (indents.at(-1) !== indent) throw new NotRead("a line goes back to no block");
    return [];
  }

  /** Its last token ends where a comment behind it does. */
  #logicalLine(): void {
    const start = this.#at;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      if (code === 32 || code === 9 || code === 12) this.#at += 1;
      else if (code === 35) this.#comment();
      else if (code === 92) this.#continuation();
      else if (isLineEnd(code) || this.#at >= this.#text.length) {
        if (this.#depth === 0) {
          const comment = this.#comments.at(-1)?.end ?? -1;
          this.#push("newline", start, Math.max(start, comment));
          if (this.#at < this.#text.length) this.#lineEnd();
          return;
        }
        if (this.#at >= this.#text.length) throw new NotRead("a bracket is not closed");
        this.#lineEnd();
      } else this.#token(code);
    }
  }

  #token(code: number): void {
    const start = this.#at;
    if (isNameStart(code)) {
      const end = this.#nameEnd(start);
      const quote = this.#text.charCodeAt(end);
      const text = this.#text.slice(start, end);
      if ((quote === 34 || quote === 39) && prefixes.test(text)) this.#string(start, end, text);
      else {
        this.#at = end;
        this.#tokens.push({ kind: "name", text, start, end });
      }
    } else if (code === 34 || code === 39) this.#string(start, start, "");
    else if (isDigit(code) || (code === 46 && isDigit(this.#text.charCodeAt(start + 1)))) this.#number(start);
    else this.#operator(start);
  }

  #nameEnd(start: number): number {
    let end = start;
    let isAscii = true;
    for (; ; end++) {
      const code = this.#text.charCodeAt(end);
      if (code >= 128) isAscii = false;
      else if (!isNamePart(code)) break;
    }
    if (!isAscii && !unicodeName.test(this.#text.slice(start, end))) throw new NotRead("no name");
    return end;
  }

  #number(start: number): void {
    numbers.lastIndex = start;
    const text = numbers.exec(this.#text)?.[0] ?? "";
    const end = start + text.length;
    if (text === "" || isNameStart(this.#text.charCodeAt(end))) throw new NotRead("no number");
    this.#at = end;
    this.#tokens.push({ kind: "number", text, start, end });
  }

  #operator(start: number): void {
    operators.lastIndex = start;
    const text = operators.exec(this.#text)?.[0];
    if (text === undefined) throw new NotRead("an unknown character");
    if (text === "(" || text === "[" || text === "{") this.#depth += 1;
    else if ((text === ")" || text === "]" || text === "}") && --this.#depth < 0)
      throw new NotRead("a bracket was not opened");
    this.#at = start + text.length;
    this.#tokens.push({ kind: "operator", text, start, end: this.#at });
  }

  #comment(): void {
    const start = this.#at;
    while (this.#at < this.#text.length && !isLineEnd(this.#text.charCodeAt(this.#at))) this.#at += 1;
    this.#comments.push({ start, end: this.#at });
  }

  #continuation(): void {
    this.#at += 1;
    if (!isLineEnd(this.#text.charCodeAt(this.#at))) throw new NotRead("nothing is continued");
    this.#lineEnd();
  }

  #lineEnd(): void {
    const isPair = this.#text.charCodeAt(this.#at) === 13;
    if (isPair && this.#text.charCodeAt(this.#at + 1) !== 10) throw new NotRead("a carriage return alone");
    this.#at += isPair ? 2 : 1;
  }

  #string(start: number, open: number, prefix: string): void {
    const quote = this.#text[open]!;
    const isLong = this.#text.startsWith(quote.repeat(3), open);
    const close = isLong ? quote.repeat(3) : quote;
    this.#at = open + close.length;
    const content = this.#at;
    const holes: Hole[] = [];
    const hasHoles = /f/i.test(prefix);
    while (!this.#text.startsWith(close, this.#at)) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code) || (!isLong && isLineEnd(code))) throw new NotRead("a string is not closed");
      const isTwice = this.#text.charCodeAt(this.#at + 1) === code;
      if (code === 92) this.#at += this.#text.startsWith("\r\n", this.#at + 1) ? 3 : 2;
      else if (hasHoles && code === 123 && !isTwice) holes.push(this.#hole());
      else if (hasHoles && (code === 123 || code === 125)) {
        if (!isTwice) throw new NotRead("a brace alone");
        this.#at += 2;
      } else this.#at += 1;
    }
    const end = this.#at;
    this.#at += close.length;
    const string = { content: { start: content, end }, isRaw: /r/i.test(prefix), holes };
    this.#tokens.push({
      kind: "string",
      text: this.#text.slice(start, content),
      start,
      end: this.#at,
      string,
    });
  }

  /** From a brace to the one that closes it. */
  #hole(): Hole {
    const start = this.#at;
    const [around, depth] = [this.#tokens, this.#depth];
    [this.#tokens, this.#depth] = [[], 0];
    this.#at += 1;
    for (;;) {
      const code = this.#text.charCodeAt(this.#at);
      const isConversion = code === 33 && this.#text.charCodeAt(this.#at + 1) !== 61;
      if (this.#depth === 0 && (code === 125 || code === 58 || isConversion)) break;
      if (code === 32) this.#at += 1;
      else if (Number.isNaN(code) || isLineEnd(code) || code === 35 || code === 92)
        throw new NotRead("a hole over several lines");
      else this.#token(code);
    }
    this.#push("end", this.#at, this.#at);
    const tokens = this.#tokens;
    [this.#tokens, this.#depth] = [around, depth];
    const conversion = this.#text[this.#at] === "!" ? { start: this.#at, end: this.#at + 2 } : undefined;
    if (conversion !== undefined) this.#at = conversion.end;
    const specifier = this.#text[this.#at] === ":" ? this.#specifier() : undefined;
    if (this.#text[this.#at] !== "}") throw new NotRead("a hole is not closed");
    this.#at += 1;
    return { start, end: this.#at, tokens, conversion, specifier };
  }

  #specifier(): NonNullable<Hole["specifier"]> {
    const start = this.#at;
    const holes: Hole[] = [];
    for (this.#at += 1; this.#text[this.#at] !== "}"; ) {
      const code = this.#text.charCodeAt(this.#at);
      if (Number.isNaN(code) || isLineEnd(code) || code === 92 || code === 34 || code === 39)
        throw new NotRead("an unusual format");
      if (code === 123) holes.push(this.#hole());
      else this.#at += 1;
    }
    return { start, end: this.#at, holes };
  }

  #push(kind: Token["kind"], start: number, end: number): void {
    this.#tokens.push({ kind, text: "", start, end });
  }
}

const prefixes = /^(?:[rbuf]|rb|br|rf|fr)$/i;
const unicodeName = /^[\p{ID_Start}_][\p{ID_Continue}]*$/u;
const numbers =
  /(?:0[xX][\da-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|\d[\d_]*\.?(?:\d[\d_]*)?(?:[eE][+-]?\d[\d_]*)?|\.\d[\d_]*(?:[eE][+-]?\d[\d_]*)?)[jJ]?/y;
const operators =
  /\*\*=|\/\/=|<<=|>>=|\.\.\.|\*\*|\/\/|<<|>>|<=|>=|==|!=|->|:=|\+=|-=|\*=|\/=|%=|@=|&=|\|=|\^=|[-+*/%@&|^~<>=()[\]{},:.;]/y;

function isLineEnd(code: number): boolean {
  return code === 10 || code === 13;
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function isNameStart(code: number): boolean {
  return (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code >= 128;
}

function isNamePart(code: number): boolean {
  return isNameStart(code) || isDigit(code);
}
