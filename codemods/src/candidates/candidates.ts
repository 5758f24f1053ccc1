import type { Language } from "../files/source-files.ts";
import { classifyName, isLooseNorm, type NameKind, namesBuilder, namesValueNorm, normPart } from "./names.ts";
import { blankComments, blankRanges, LineCounter, type Range } from "./source-text.ts";

/**
 * `step`: the line may be part of a QK-norm step.
 * `setup`: the line declares, builds or imports a norm, or reads a flag; without a step it means nothing.
 */
export type CandidateRole = "step" | "setup";

/** One line that may belong to a copy of the QK-norm step. */
export interface Candidate {
  /** Counts from 1. */
  readonly line: number;
  /** Of the first name, counts from 1. */
  readonly column: number;
  readonly role: CandidateRole;
  /** The names that made it a candidate, in the order of the line. */
  readonly names: readonly string[];
  /** The line without its indentation. */
  readonly text: string;
}

/**
 * Whether a file can hold a QK-norm step at all: its text names some norm, and q or a query. Every finding of the matcher is
 * in such a file, and nearly every file of a repository is none, so this is the whole cost of most of a run.
 */
export function mayHoldStep(text: string): boolean {
  return namesNorm(text) && speaksOfQueries(text);
}

/** Whether any name in the text is that of a norm, of q and k or of anything else. */
export function namesNorm(text: string): boolean {
  for (const { kind } of normNames(text)) if (kind !== "flag") return true;
  return false;
}

/** Where the names stand by which a norm may be applied, of q and k or of anything else. */
export function* appliesNormAt(text: string): Iterable<number> {
  const mayApplyClass = text.includes(".apply");
  for (const { name, start, kind } of normNames(text)) {
    const end = start + name.length;
    if (kind === "flag" || isOfItself(text, end, name)) continue;
    // A norm of a side may also be what another function is given, or have its weight given.
    const isOfSide = kind === "qk-norm" || namesValueNorm(name);
    const isCalled = namesBuilder(name) ? mayApplyClass && /^[A-Z]/.test(name) : !isRead(text, end);
    if (isOfSide || isCalled || holdsNorms(text, end)) yield start;
  }
}

/** `norms["q"]`, `norms.q`: what may hold a norm of a side. */
function holdsNorms(text: string, end: number): boolean {
  const part = /^\s*!?\s*(?:(?:\?\.\s*)?\[|\??\.\s*(#?[\w$]+))/.exec(text.slice(end, end + 80));
  return part !== null && (part[1] === undefined || part[1].search(ofSides) !== -1);
}

/**
 * What stands behind a name of any norm shows that nothing is called by it: it is assigned, compared, a number, or an attribute of it is read. A line end
 * shows nothing, nor does `/`, which may begin a comment, `<` a list of types, `!` and `?` a call.
 */
function isRead(text: string, end: number): boolean {
  return /^[ \t]*(?:=(?!>)|\.(?!\.)|!=|[>+\-*%])/.test(text.slice(end, end + 20));
}

/** `v.normalize()`: a vector made one long, and what says so. A norm is given a tensor. */
function isOfItself(text: string, end: number, name: string): boolean {
  return text[end] === "(" && text[end + 1] === ")" && isLooseNorm(name);
}

/** Where q, a query, or a norm of q or k is named. */
export function* speaksOfSideAt(text: string): Iterable<number> {
  for (const { start, kind } of normNames(text)) if (kind === "qk-norm") yield start;
  for (const { index } of text.matchAll(new RegExp(ofQueries, "g"))) yield index;
}

/** Where a name may be that of q or k, or of a norm of one. */
export function* namesSideAt(text: string): Iterable<number> {
  for (const { index } of text.matchAll(ofSides)) yield index;
}

/** The same of the names that stand in the code, for a file that was read without asking its text first. */
export function mayNameStep(names: Iterable<string>): boolean {
  return mayHoldStep([...names].join(" "));
}

/**
 * Lines of one file that may belong to a copy of the QK-norm step: a superset, found by names alone.
 * It errs towards too many; what a line computes is for a later stage to say.
 */
export function findCandidates(text: string, language: Language): readonly Candidate[] {
  if (!speaksOfQueries(text)) return [];
  const code = blankSharedCalls(blankComments(text, language));
  const lines = new LineCounter(text);
  const found = new Map<number, Omit<Candidate, "names"> & { readonly names: Set<string> }>();
  for (const { name, start, kind } of normNames(code)) {
    const role = roleOf(code, start, name, kind);
    if (role === undefined) continue;
    const { line, column } = lines.positionAt(start);
    const known = found.get(line);
    const names = known?.names ?? new Set();
    names.add(name);
    if (known === undefined) found.set(line, { line, column, role, names, text: lines.line.trim() });
    else if (role === "step") found.set(line, { ...known, role });
  }
  return [...found.values()].map((one) => ({ ...one, names: [...one.names] }));
}

/** A text that never says q or query has no attention in it, whatever it calls `normalizeKey`. */
export function speaksOfQueries(text: string): boolean {
  return ofQueries.test(text);
}

const ofQueries = /(?<![A-Za-z])[xwXW]?q(?![a-z])|Q(?![a-z])|[qQ]k|[qQ]uer(?:y|ies)/;
const ofSides = /(?<![A-Za-z])[xwXW]?[qk](?![a-z])|[QK](?![a-z])|[qQ]k|[qQ]uer(?:y|ies)|[kK]ey/g;

interface NormName {
  readonly name: string;
  readonly start: number;
  readonly kind: Exclude<NameKind, "other">;
}

/** Every identifier that names a norm. */
function* normNames(text: string): Generator<NormName> {
  const part = new RegExp(normPart);
  for (let found = part.exec(text); found !== null; found = part.exec(text)) {
    const start = identifierStart(text, found.index);
    const name = identifierAt(text, start);
    const kind = classifyName(name);
    if (kind !== "other") yield { name, start, kind };
    part.lastIndex = start + name.length;
  }
}

function roleOf(
  code: string,
  start: number,
  name: string,
  kind: NormName["kind"],
): CandidateRole | undefined {
  const end = start + name.length;
  switch (kind) {
    case "qk-norm":
      return isSetup(code, start, end) ? "setup" : "step";
    case "flag":
      return "setup";
    case "norm":
      return takesQueryOrKey(code, end) && !isDeclared(code, start) ? "step" : undefined;
    default:
      return kind satisfies never;
  }
}

/** Whether the name is only declared, assigned or imported here. */
function isSetup(code: string, start: number, end: number): boolean {
  const before = linePrefix(code, start);
  const after = code.slice(end, end + 80);
  if (/^\s*(?:import|from|export\s*[*{])/.test(before)) return true;
  if (/^\s*[!?]?\s*=(?![=>])/.test(after)) return true; // this.qNorm = ...
  // A colon is a type (`readonly qNorm: RmsNorm`, `self.q_norm: nn.Module`) unless a ternary came before it.
  const mayBeTyped = /^\s*(?:this|self)\.$/.test(before) || !/[.?]\s*$/.test(before);
  if (mayBeTyped && /^[!?]?[ \t]*:/.test(after)) return true;
  return (
    /^\s*(?:(?:private|protected|public|readonly|static|declare)\s+)*$/.test(before) && /^\s*;/.test(after)
  );
}

/** `def norm(self, q)` and `function norm(q)` are not calls. */
function isDeclared(code: string, start: number): boolean {
  return /(?:\bdef|\bfunction|\bclass|\bnew)\s+$/.test(linePrefix(code, start));
}

/** Whether the code from `end` on is a call with q or k among its arguments. */
function takesQueryOrKey(code: string, end: number): boolean {
  const call = /^(?:[!?]?\.(?:forward|call|apply))?\s*(?:<[\w\s,[\]]*>)?\s*(?:\?\.)?\(/.exec(
    code.slice(end, end + 80),
  );
  if (call === null) return false;
  const open = end + call[0].length - 1;
  const args = code.slice(open, closingParen(code, open));
  return /(?<![\w$])[xw]?(?:q|k|query|key|queries|keys)(?![a-z\d$])/.test(args);
}

/** Blanks calls of the shared function, which are what a copy is to be replaced by, not a copy. */
function blankSharedCalls(code: string): string {
  if (!code.includes("applyQkNorm")) return code;
  const shared = [...code.matchAll(/import\s*\{([^{}]*)\}\s*from\s*["']@qknorm\/core["'];?/g)].find(
    ([, names]) => /\bapplyQkNorm\b/.test(names!),
  );
  if (shared === undefined) return code;
  const calls = [...code.matchAll(/(?<![\w$.#])applyQkNorm\s*\(/g)].map(({ 0: call, index }) => ({
    start: index,
    end: closingParen(code, index + call.length - 1),
  }));
  return blankRanges(
    code,
    inOrder([{ start: shared.index, end: shared.index + shared[0].length }, ...calls]),
  );
}

/** Without those that begin inside another one. */
function inOrder(ranges: readonly Range[]): readonly Range[] {
  const sorted = [...ranges].sort((a, b) => a.start - b.start);
  let end = 0;
  return sorted.filter((range) => {
    const isApart = range.start >= end;
    if (isApart) end = range.end;
    return isApart;
  });
}

/** Offset of the parenthesis that closes the one at `open`; at most 400 characters on, for unbalanced text. */
function closingParen(code: string, open: number): number {
  const limit = Math.min(code.length, open + 400);
  let depth = 0;
  for (let i = open; i < limit; i++) {
    if (code[i] === "(") depth += 1;
    if (code[i] === ")" && --depth === 0) return i;
  }
  return limit;
}

/** What stands before `offset` on its line; the last 120 characters of it, since minified code has endless lines. */
function linePrefix(code: string, offset: number): string {
  const near = code.slice(Math.max(0, offset - 120), offset);
  return near.slice(Math.max(near.lastIndexOf("\n"), near.lastIndexOf("\r")) + 1);
}

/** Where the identifier around `offset` starts, a private field with its `#`. */
function identifierStart(text: string, offset: number): number {
  let start = offset;
  while (start > 0 && isIdentifierPart(text.charCodeAt(start - 1))) start -= 1;
  return text[start - 1] === "#" ? start - 1 : start;
}

function identifierAt(text: string, start: number): string {
  let end = text[start] === "#" ? start + 1 : start;
  while (isIdentifierPart(text.charCodeAt(end))) end += 1;
  return text.slice(start, end);
}

/** `[\w$]`; this is asked of more characters than anything else. */
function isIdentifierPart(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    (code >= 48 && code <= 57) ||
    code === 95 ||
    code === 36
  );
}
