import type {
  BranchStep,
  Expr,
  FunctionForm,
  LoopStep,
  OpaqueStep,
  Span,
  Step,
  StreamStep,
} from "../../form/form.ts";
import { caseTest, takesAll } from "./case-patterns.ts";
import { readLiteral } from "./literals.ts";
import { lowerExpression, partsInside } from "./lower-expression.ts";
import type { Scope } from "./params.ts";
import { lowerSimple, statementSpan } from "./simple-steps.ts";
import { partsOf, type SyntaxNode, spanOf, undecorated } from "./syntax.ts";
import { lowerTarget } from "./targets.ts";

/** What surrounds the steps of a function: what its names mean, and how a function declared inside it is lowered. */
export interface StepContext {
  readonly scope: Scope;
  readonly declare: (definition: SyntaxNode, scope: Scope) => FunctionForm;
}

/** The body of a function or of a whole file. A docstring is no step. */
export function lowerBody(statements: readonly SyntaxNode[], context: StepContext): readonly Step[] {
  const [first, ...rest] = statements;
  const steps = first !== undefined && isDocstring(first) ? rest : statements;
  return steps.flatMap((statement) => lowerStatement(statement, context));
}

/** `pass`, `...` and bare annotations are nothing, and left out. */
function lowerBlock(block: SyntaxNode | undefined, context: StepContext): readonly Step[] {
  return block === undefined ? [] : partsOf(block).flatMap((statement) => lowerStatement(statement, context));
}

function isDocstring(statement: SyntaxNode): boolean {
  const [value, ...more] = statement.is("expression_statement") ? partsOf(statement) : [];
  return value !== undefined && more.length === 0 && typeof readLiteral(value)?.value === "string";
}

function lowerStatement(node: SyntaxNode, context: StepContext): readonly Step[] {
  return compound[node.kind]?.(node, context) ?? lowerSimple(node, context.scope);
}

type Lowering = (node: SyntaxNode, context: StepContext) => readonly Step[];

const compound: Readonly<Record<string, Lowering>> = {
  if_statement: lowerIf,
  with_statement: lowerWith,
  for_statement: lowerLoop,
  while_statement: lowerLoop,
  try_statement: lowerTry,
  match_statement: lowerMatch,
  function_definition: lowerNested,
  decorated_definition: lowerNested,
  class_definition: lowerNested,
};

/** `if` with its `elif`s, each of which is the other arm of the one before. From the last to the first: chains get long. */
function lowerIf(node: SyntaxNode, context: StepContext): readonly Step[] {
  const { end } = spanOf(node);
  const clauses = partsOf(node);
  const last = clauses.at(-1);
  const body = last?.is("else_clause") ? last.field("body") : undefined;
  let otherwise = lowerBlock(body, context);
  let otherwiseSpan = body === undefined ? undefined : spanOfBlock(body, spanOf(node));
  const tested = [node, ...clauses.filter((clause) => clause.is("elif_clause"))];
  for (const clause of tested.reverse()) {
    const span = { start: spanOf(clause).start, end };
    otherwise = [lowerArm(clause, { context, span, otherwise, otherwiseSpan })];
    otherwiseSpan = span;
  }
  return otherwise;
}

interface Arm {
  readonly context: StepContext;
  readonly span: Span;
  readonly otherwise: readonly Step[];
  readonly otherwiseSpan: Span | undefined;
}

function lowerArm(clause: SyntaxNode, { context, span, otherwise, otherwiseSpan }: Arm): BranchStep {
  const block = clause.field("consequence");
  const then = lowerBlock(block, context);
  return {
    kind: "branch",
    test: lowerExpression(clause.field("condition") ?? clause, context.scope),
    then,
    otherwise,
    thenSpan: spanOfBlock(block, span),
    ...(otherwiseSpan && { otherwiseSpan }),
    span,
  };
}

/** One scope for each item, the first outermost; `as name` assigns what entering gives, which is not the context itself. */
function lowerWith(node: SyntaxNode, context: StepContext): readonly Step[] {
  const clauses = partsOf(node).filter((part) => part.is("with_clause"));
  const span = statementSpan(node);
  let steps = lowerBlock(node.field("body"), context);
  for (const item of clauses.flatMap(partsOf).reverse()) {
    const { value, binding } = lowerAs(item.field("value") ?? item, context.scope);
    steps = [{ kind: "scope", context: value, body: [...binding, ...steps], span }];
  }
  return steps;
}

/** `value as name`: what the name is given is not the value itself. */
function lowerAs(
  node: SyntaxNode,
  scope: Scope,
): { readonly value: Expr; readonly binding: readonly Step[] } {
  const [value, name] = node.is("as_pattern") ? partsOf(node) : [node];
  const lowered = lowerExpression(value ?? node, scope);
  if (name === undefined) return { value: lowered, binding: [] };
  return { value: lowered, binding: [bindUnknown(name, scope)] };
}

function bindUnknown(name: SyntaxNode, scope: Scope): Step {
  const span = spanOf(name);
  const value: Expr = { kind: "opaque", what: "binding", parts: [], span };
  return { kind: "assign", target: lowerTarget(name, scope), value, span };
}

function lowerLoop(node: SyntaxNode, context: StepContext): readonly Step[] {
  const { scope } = context;
  const left = node.field("left");
  const head = node.field(left ? "right" : "condition");
  const step: LoopStep = {
    kind: "loop",
    head: head ? [lowerExpression(head, scope)] : [],
    ...(left && { target: lowerTarget(left, scope) }),
    body: lowerBlock(node.field("body"), context),
    span: spanToBody(node),
  };
  return [step, ...lowerClauses(node, context)];
}

function lowerTry(node: SyntaxNode, context: StepContext): readonly Step[] {
  const step: StreamStep = {
    kind: "scope",
    context: {
      kind: "opaque",
      what: "try",
      parts: [],
      span: { ...spanOf(node), end: spanOf(node).start + 3 },
    },
    body: lowerBlock(node.field("body"), context),
    span: spanToBody(node),
  };
  return [step, ...lowerClauses(node, context)];
}

/** A loop or `try` without its clauses, which are steps of their own. */
function spanToBody(node: SyntaxNode): Span {
  const span = spanOf(node);
  return { start: span.start, end: spanOfBlock(node.field("body"), span).end };
}

/** Each `case` is a branch in the other arm of the one before. From the last to the first, as with `if`. */
function lowerMatch(node: SyntaxNode, context: StepContext): readonly Step[] {
  const { start, end } = statementSpan(node);
  const subject = partsOf(node)
    .filter((part) => !part.is("block"))
    .map((part) => lowerExpression(part, context.scope));
  const clauses = partsOf(node)
    .filter((part) => part.is("block"))
    .flatMap(partsOf)
    .filter((part) => part.is("case_clause"));
  let otherwise: readonly Step[] = [];
  let otherwiseSpan: Span | undefined;
  for (const clause of clauses.toReversed()) {
    const isFirst = clause === clauses[0];
    const span = { start: isFirst ? start : spanOf(clause).start, end };
    const block = clause.field("consequence");
    const thenSpan = spanOfBlock(block, spanOf(clause));
    const then = lowerBlock(block, context);
    const isRest = clause === clauses.at(-1) && !isFirst && takesAll(clause);
    const test = caseTest(clause, subject, isFirst, context.scope);
    if (isRest) [otherwise, otherwiseSpan] = [[...bindingOf(test), ...then], spanOf(clause)];
    else {
      const branch = { kind: "branch", test, then, otherwise, thenSpan, span } as const;
      otherwise = [{ ...branch, ...(otherwiseSpan && { otherwiseSpan }) }];
      otherwiseSpan = span;
    }
  }
  return otherwise;
}

/** What `case rest:` binds, as a statement of its own. */
function bindingOf(test: Expr): readonly Step[] {
  const [bound] = test.kind === "opaque" ? test.parts : [];
  return bound === undefined ? [] : [{ kind: "evaluate", value: bound, span: bound.span }];
}

/** `except`, `else` and `finally`, each an opaque step: it may run or not. */
function lowerClauses(node: SyntaxNode, context: StepContext): readonly OpaqueStep[] {
  const clauses = partsOf(node).filter((part) => part.kind.endsWith("_clause"));
  return clauses.map((clause) => {
    const parts = partsOf(clause);
    const heads = parts.filter((part) => !part.is("block")).map((part) => lowerAs(part, context.scope));
    const bodies = parts.filter((part) => part.is("block")).flatMap((block) => lowerBlock(block, context));
    return {
      kind: "opaque",
      what: clause.kind.replace(/_(?:group_)?clause$/, ""),
      parts: heads.map(({ value }) => value),
      body: [...heads.flatMap(({ binding }) => binding), ...bodies],
      span: spanOf(clause),
    };
  });
}

function lowerNested(node: SyntaxNode, { scope, declare }: StepContext): readonly Step[] {
  const span = statementSpan(node);
  if (!undecorated(node).is("function_definition")) {
    return [{ kind: "opaque", what: "class", parts: partsInside(node, scope), body: [], span }];
  }
  return [{ kind: "function", declared: declare(node, scope), span }];
}

/** From the first statement of a block to its last; the comments around them are not of the block. */
export function spanOfBlock(block: SyntaxNode | undefined, fallback: Span): Span {
  const statements = block === undefined ? [] : partsOf(block);
  const [first] = statements;
  const last = statements.at(-1);
  return first && last ? { start: spanOf(first).start, end: statementSpan(last).end } : fallback;
}
