/** A token of the parser. */
export interface Token {
  readonly type: string;
  readonly value: string;
}

/** Stands between `is` or `is not` and a test's name in the name of a filter; no name has a space. */
const POSITIVE = "is ";
const NEGATIVE = "is not ";

/**
 * The parser knows no test with an argument: `x is divisibleby(3)`, `x is in [1, 2]`. Each becomes a filter of a name
 * that no filter can have, which binds in the same way.
 *
 * @param tokens of one tag
 */
export function asFilters(tokens: readonly Token[]): readonly Token[] {
  const out: Token[] = [];
  for (let at = 0; at < tokens.length; at++) {
    const negated = isWord(tokens[at + 1], "not");
    const name = tokens[at + (negated ? 2 : 1)];
    const argument = at + (negated ? 3 : 2);
    if (!isWord(tokens[at], "is") || name?.type !== "Identifier" || !beginsArgument(tokens[argument])) {
      out.push(tokens[at]!);
      continue;
    }
    const called = { type: "Identifier", value: (negated ? NEGATIVE : POSITIVE) + name.value };
    out.push({ type: "Pipe", value: "|" }, called);
    if (tokens[argument]!.type === "OpenParen") {
      at = argument - 1;
      continue;
    }
    const end = endOfPrimary(tokens, argument);
    const inner = asFilters(tokens.slice(argument, end));
    out.push({ type: "OpenParen", value: "(" }, ...inner, { type: "CloseParen", value: ")" });
    at = end - 1;
  }
  return out;
}

/** The filter that stands behind brackets around a comparison: it changes nothing, and says that they are there. */
export const BRACKETS = "in brackets";

/** Marks brackets around comparisons, which the parser forgets: `(a == b) != c` is another thing than `a == b != c`. */
export function markBrackets(tokens: readonly Token[]): readonly Token[] {
  const out: Token[] = [];
  const open: { readonly group: boolean; compares: boolean }[] = [];
  for (const [at, token] of tokens.entries()) {
    out.push(token);
    if (OPENING.includes(token.type)) {
      open.push({ group: token.type === "OpenParen" && !isCalled(tokens[at - 1]), compares: false });
    } else if (CLOSING.includes(token.type)) {
      const closed = open.pop();
      const read = ["Dot", "OpenParen", "OpenSquareBracket"].includes(tokens[at + 1]?.type ?? "");
      if (closed?.group === true && closed.compares && !read)
        out.push({ type: "Pipe", value: "|" }, { type: "Identifier", value: BRACKETS });
    } else if (open.length > 0 && (token.type === "ComparisonBinaryOperator" || isWord(token, "in"))) {
      open.at(-1)!.compares = true;
    }
  }
  return out;
}

/** `-3` as a sign and a number: in Jinja the sign is that of all that follows, as in `-3.x`. */
export function splitSigns(tokens: readonly Token[]): readonly Token[] {
  return tokens.flatMap((token) => {
    const [, sign, digits] = /^([-+])(.+)$/.exec(token.type === "NumericLiteral" ? token.value : "") ?? [];
    if (sign === undefined) return [token];
    return [
      { type: "UnaryOperator", value: sign },
      { type: "NumericLiteral", value: digits as string },
    ];
  });
}

const WORDS = ["and", "else", "elif", "if", "in", "is", "not", "or", "set", "for"];

function isCalled(before: Token | undefined): boolean {
  if (before?.type === "Identifier") return !WORDS.includes(before.value);
  return ["CloseParen", "CloseSquareBracket", "StringLiteral"].includes(before?.type ?? "");
}

/** The test that a filter of such a name stands for; null for a real filter. */
export function testOf(filter: string): { readonly name: string; readonly negated: boolean } | null {
  if (filter.startsWith(NEGATIVE)) return { name: filter.slice(NEGATIVE.length), negated: true };
  return filter.startsWith(POSITIVE) ? { name: filter.slice(POSITIVE.length), negated: false } : null;
}

function isWord(token: Token | undefined, word: string): boolean {
  return token?.type === "Identifier" && token.value === word;
}

const OPENING = ["OpenParen", "OpenSquareBracket", "OpenCurlyBracket"];
const CLOSING = ["CloseParen", "CloseSquareBracket", "CloseCurlyBracket"];

// As Jinja's parser decides it.
function beginsArgument(token: Token | undefined): boolean {
  if (token === undefined) return false;
  if (token.type === "Identifier")
    return !["else", "or", "and", "is", "if", "in", "not"].includes(token.value);
  return ["StringLiteral", "NumericLiteral", ...OPENING].includes(token.type);
}

/** The end of a name, a literal or brackets with what is read of it: `.name`, `[...]`, `(...)`. */
function endOfPrimary(tokens: readonly Token[], start: number): number {
  let at = endOfGroup(tokens, start);
  while (at < tokens.length) {
    const type = tokens[at]!.type;
    if (type === "Dot") at += 2;
    else if (type === "OpenParen" || type === "OpenSquareBracket") at = endOfGroup(tokens, at);
    else break;
  }
  return Math.min(at, tokens.length);
}

function endOfGroup(tokens: readonly Token[], start: number): number {
  let depth = 0;
  for (let at = start; at < tokens.length; at++) {
    if (OPENING.includes(tokens[at]!.type)) depth += 1;
    else if (CLOSING.includes(tokens[at]!.type)) depth -= 1;
    if (depth === 0) return at + 1;
  }
  return tokens.length;
}
