import grammar from "@ast-grep/lang-python";
import { parse, registerDynamicLanguage, type SgNode } from "@ast-grep/napi";
import type { ParseError, Span } from "../../form/form.ts";
import { noteParsed } from "../tree-memory.ts";

/** A node of tree-sitter's Python tree. Offsets count UTF-16 units, as JavaScript strings do. */
export type SyntaxNode = SgNode;

// ast-grep takes all dynamic languages in one call, once per process.
registerDynamicLanguage({ python: grammar });

export function parsePython(text: string): SyntaxNode {
  noteParsed(text);
  const root = parse("python", text).root();
  const respelled = withStandIns(text);
  if (respelled === text || parseErrors(root).length === 0) return root;
  noteParsed(respelled);
  const other = parse("python", respelled).root();
  return parseErrors(other).length < parseErrors(root).length ? other : root;
}

/**
 * The grammar does not know `return a, *(b)`: a star before a parenthesis among values without parentheses around them. There the star is read
 * as a name, of the same length, so that it becomes a call of that name; see `isSpreadCall`.
 */
function withStandIns(text: string): string {
  return text.replace(/\*(?=\s*\()/g, (star, at: number) => (beginsValue(text, at) ? starStandIn : star));
}

const starStandIn = "\u{a7fb}";

// By hand: a regex that looks back over spaces took longer than all else, on files that have many.
function beginsValue(text: string, at: number): boolean {
  let end = at;
  while (end > 0 && /\s/.test(text[end - 1] as string)) end -= 1;
  const before = text.slice(Math.max(0, end - "return".length - 1), end);
  return /[,=(]$/.test(before) || (end < at && /\b(?:return|yield|in)$/.test(before));
}

/** Whether a call is a star before a parenthesis. */
export function isSpreadCall(node: SyntaxNode): boolean {
  return node.is("call") && node.field("function")?.text() === starStandIn;
}

/** tree-sitter recovers from errors, so every text has a tree. What it made up to get there is an empty node. */
export function parseErrors(root: SyntaxNode): readonly ParseError[] {
  const made = root.findAll({ rule: { any: [{ kind: "ERROR" }, { regex: "^$" }] } });
  return made
    .filter((node) => !node.is("module"))
    .map((node) => {
      const { index, line } = node.range().start;
      const what = node.is("ERROR") ? "could not be read as Python" : `${node.kind()} is missing`;
      return { offset: index, message: `${what} at line ${line + 1}` };
    });
}

export function spanOf(node: SyntaxNode): Span {
  const { start, end } = node.range();
  return { start: start.index, end: end.index };
}

/** The named children that are neither comments nor the backslashes that continue a line. */
export function partsOf(node: SyntaxNode): readonly SyntaxNode[] {
  return node.namedChildren().filter((child) => !extras.has(String(child.kind())));
}

export function isPart(node: SyntaxNode): boolean {
  return node.isNamed() && !extras.has(String(node.kind()));
}

const extras = new Set(["comment", "line_continuation"]);

/** A definition under its decorators, or the node itself. */
export function undecorated(node: SyntaxNode): SyntaxNode {
  return node.is("decorated_definition") ? (node.field("definition") ?? node) : node;
}

/** The closest enclosing node of one of `kinds`. */
export function enclosing(node: SyntaxNode, kinds: readonly string[]): SyntaxNode | undefined {
  return node.ancestors().find((ancestor) => kinds.includes(String(ancestor.kind())));
}
