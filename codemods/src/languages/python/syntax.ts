import type { ParseError, Span } from "../../form/form.ts";
import { readTree, type Shift, type SyntaxNode } from "./syntax-tree.ts";

export type { SyntaxNode } from "./syntax-tree.ts";

/** A Python text with pieces left out of it: what remains, and where it stood in the whole. */
export interface Shortened {
  readonly text: string;
  readonly shifts: readonly Shift[];
}

/** The tree of a text, or of what is left of it; its offsets are those of the whole text either way. */
export function parsePython(
  whole: string,
  { text, shifts }: Shortened = { text: whole, shifts: [] },
): SyntaxNode {
  const root = readTree(text, whole, shifts);
  const faults = root.faults.length;
  if (faults === 0) return root;
  const respelled = withStandIns(text);
  if (respelled === text) return root;
  const other = readTree(respelled, shifts.length === 0 ? respelled : withStandIns(whole), shifts);
  return other.faults.length < faults ? other : root;
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
  return node.is("call") && node.field("function")?.text === starStandIn;
}

/** tree-sitter recovers from errors, so every text has a tree. What it made up to get there is an empty node. */
export function parseErrors(root: SyntaxNode): readonly ParseError[] {
  return root.faults.map(({ kind, start, line }) => {
    const what = kind === "ERROR" ? "could not be read as Python" : `${kind} is missing`;
    return { offset: start, message: `${what} at line ${line}` };
  });
}

export function spanOf(node: SyntaxNode): Span {
  return { start: node.start, end: node.end };
}

/** The named children that are neither comments nor the backslashes that continue a line. */
export function partsOf(node: SyntaxNode): readonly SyntaxNode[] {
  return node.children.filter(isPart);
}

export function isPart(node: SyntaxNode): boolean {
  return node.isNamed && !extras.has(node.kind);
}

const extras = new Set(["comment", "line_continuation"]);

/** A definition under its decorators, or the node itself. */
export function undecorated(node: SyntaxNode): SyntaxNode {
  return node.is("decorated_definition") ? (node.field("definition") ?? node) : node;
}

/** The closest enclosing node of one of `kinds`. */
export function enclosing(node: SyntaxNode, kinds: readonly string[]): SyntaxNode | undefined {
  let around = node.parent;
  while (around !== undefined && !kinds.includes(around.kind)) around = around.parent;
  return around;
}
