import { classifyName } from "./names.ts";
import type { Language } from "./source-files.ts";
import { readSourceText } from "./source-text.ts";

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
 * Lines of one file that may belong to a copy of the QK-norm step: a superset, found by names alone.
 * It errs towards too many; what a line computes is for a later stage to say.
 */
export function findCandidates(text: string, language: Language): readonly Candidate[] {
  if (!mayHoldQkNorm(text)) return [];
  const source = readSourceText(text, language);
  const code = blankSharedCalls(source.code);
  const found = new Map<number, Candidate>();
  for (const match of code.matchAll(/#?[\w$]+/g)) {
    const name = match[0];
    const role = roleOf(code, match.index, name);
    if (role === undefined) continue;
    const { line, column } = source.positionAt(match.index);
    const known = found.get(line);
    found.set(line, {
      line,
      column: known?.column ?? column,
      role: known?.role === "step" ? "step" : role,
      names: known === undefined ? [name] : [...new Set([...known.names, name])],
      text: source.lineAt(line).trim(),
    });
  }
  return [...found.values()];
}

// Nearly every file ends here, so this is the whole cost of most of a run. A file that never says q or query has
// no attention in it, whatever it calls `normalizeKey`.
function mayHoldQkNorm(text: string): boolean {
  return /norm|ln/i.test(text) && /(?<![A-Za-z])[xw]?q(?![a-z])|Q(?![a-z])|[qQ]k|[qQ]uer(?:y|ies)/.test(text);
}

function roleOf(code: string, start: number, name: string): CandidateRole | undefined {
  const kind = classifyName(name);
  const end = start + name.length;
  switch (kind) {
    case "qk-norm":
      return isSetup(code, start, end) ? "setup" : "step";
    case "flag":
      return "setup";
    case "norm":
      return takesQueryOrKey(code, end) && !isDeclared(code, start) ? "step" : undefined;
    case "other":
      return undefined;
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
  const shared = /import\s*\{[^}]*\bapplyQkNorm\b[^}]*\}\s*from\s*["']@qknorm\/core["'];?/.exec(code);
  if (shared === null) return code;
  let out = blankRange(code, shared.index, shared.index + shared[0].length);
  for (const call of code.matchAll(/(?<![\w$.#])applyQkNorm\s*\(/g)) {
    out = blankRange(out, call.index, closingParen(code, call.index + call[0].length - 1));
  }
  return out;
}

function blankRange(code: string, start: number, end: number): string {
  return code.slice(0, start) + code.slice(start, end).replace(/[^\r\n]/g, " ") + code.slice(end);
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
