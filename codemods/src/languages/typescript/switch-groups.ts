import type { ts } from "ts-morph";
import { compiler } from "./compiler.ts";

/** Cases of a `switch` that run the same statements, and nothing after them. */
export interface SwitchGroup {
  readonly tests: readonly ts.Expression[];
  /** Whether it runs where no other one does. */
  readonly isDefault: boolean;
  /** Without the `break` that ends them. */
  readonly statements: readonly ts.Statement[];
  readonly first: ts.CaseOrDefaultClause;
}

/** The groups of a `switch` that is as good as a chain of `if`s; undefined where one case may run on into the next, or leaves in its middle. */
export function switchGroups({ caseBlock }: ts.SwitchStatement): readonly SwitchGroup[] | undefined {
  const groups: SwitchGroup[] = [];
  let open: ts.CaseOrDefaultClause[] = [];
  const last = caseBlock.clauses.at(-1);
  for (const clause of caseBlock.clauses) {
    open.push(clause);
    if (clause.statements.length === 0 && clause !== last) continue;
    const statements = bodyOf(clause);
    const end = statements.at(-1);
    const isBreak = end !== undefined && compiler.isBreakStatement(end) && end.label === undefined;
    if (clause !== last && (end === undefined || !(isBreak || leaves(end)))) return undefined;
    const kept = isBreak ? statements.slice(0, -1) : statements;
    if (kept.some(mayBreak) || clause.statements.some(declares)) return undefined;
    const isDefault = open.some(compiler.isDefaultClause);
    if (isDefault && clause !== last) return undefined;
    const tests = open.flatMap((one) => (compiler.isCaseClause(one) ? [one.expression] : []));
    groups.push({ tests, isDefault, statements: kept, first: open[0]! });
    open = [];
  }
  return groups;
}

/** `case 1: { ... }` has its statements in a block. */
function bodyOf({ statements }: ts.CaseOrDefaultClause): readonly ts.Statement[] {
  const [only, ...more] = statements;
  const isBlock = only !== undefined && more.length === 0 && compiler.isBlock(only);
  return isBlock && !only.statements.some(declares) ? only.statements : statements;
}

function leaves(node: ts.Statement): boolean {
  return (
    compiler.isReturnStatement(node) || compiler.isThrowStatement(node) || compiler.isContinueStatement(node)
  );
}

/** A variable of one case is seen in the others. */
function declares(node: ts.Statement): boolean {
  return (
    compiler.isVariableStatement(node) ||
    compiler.isClassDeclaration(node) ||
    compiler.isFunctionDeclaration(node)
  );
}

/** Whether a `break` inside leaves the `switch`. */
function mayBreak(node: ts.Node): boolean {
  if (compiler.isBreakStatement(node)) return true;
  if (compiler.isIterationStatement(node, false) || compiler.isSwitchStatement(node)) return false;
  if (compiler.isFunctionLike(node) || compiler.isClassLike(node)) return false;
  return compiler.forEachChild(node, (child) => mayBreak(child) || undefined) ?? false;
}
