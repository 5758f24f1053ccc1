import type { ts } from "ts-morph";
import type { AssignStep, Expr, OpaqueStep, Param, Span, Step } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import { type Closures, isAssignment, lowerExpression, partsOf, unwrap } from "./lower-expression.ts";
import { lowerFunction } from "./lower-function.ts";
import { switchGroups } from "./switch-groups.ts";
import { spanOf } from "./syntax.ts";
import { bindingTarget, targetOf } from "./targets.ts";
import { typeNameOf } from "./type-name.ts";

/** What an expression needs to know of statements. */
export const closures: Closures = { params: lowerParams, body: lowerBody };

/** The steps of a body; a lambda's expression is one `return`. */
function lowerBody(body: ts.ConciseBody | undefined): readonly Step[] {
  if (body === undefined) return [];
  if (compiler.isBlock(body)) return lowerStatements(body.statements);
  return [{ kind: "return", value: lowerExpression(body, closures), span: spanOf(body) }];
}

export function lowerStatements(statements: readonly ts.Statement[]): readonly Step[] {
  return statements.flatMap(lowerStatement);
}

function lowerParams(params: readonly ts.ParameterDeclaration[]): readonly Param[] {
  return params.map((param): Param => {
    const type = typeNameOf(param.type);
    return {
      name: compiler.isIdentifier(param.name) ? param.name.text : "",
      rest: param.dotDotDotToken !== undefined,
      span: spanOf(param),
      ...(compiler.isIdentifier(param.name) ? {} : { pattern: bindingTarget(param.name) }),
      ...(type && { type }),
      ...(param.initializer && { initial: lowerExpression(param.initializer, closures) }),
    };
  });
}

function lowerStatement(node: ts.Statement): readonly Step[] {
  const span = spanOf(node);
  if (compiler.isExpressionStatement(node)) return lowerExpressionStatement(node);
  if (compiler.isVariableStatement(node)) return lowerDeclarations(node.declarationList, node);
  if (compiler.isReturnStatement(node)) {
    return [
      { kind: "return", ...(node.expression && { value: lowerExpression(node.expression, closures) }), span },
    ];
  }
  if (compiler.isIfStatement(node)) {
    const then = lowerStatement(node.thenStatement);
    return [
      {
        kind: "branch",
        test: lowerExpression(node.expression, closures),
        then,
        otherwise: node.elseStatement === undefined ? [] : lowerStatement(node.elseStatement),
        thenSpan: spanOf(node.thenStatement),
        ...(node.elseStatement && { otherwiseSpan: spanOf(node.elseStatement) }),
        span,
      },
    ];
  }
  if (compiler.isBlock(node)) return lowerBlock(node);
  if (compiler.isThrowStatement(node))
    return [{ kind: "leave", value: lowerExpression(node.expression, closures), span }];
  if (compiler.isBreakOrContinueStatement(node)) return [{ kind: "leave", span }];
  if (compiler.isIterationStatement(node, false)) return [lowerLoop(node)];
  if (compiler.isFunctionDeclaration(node) && node.body !== undefined) {
    return [{ kind: "function", declared: lowerFunction(node, "", closures), span }];
  }
  if (compiler.isTryStatement(node)) return lowerTry(node);
  if (compiler.isSwitchStatement(node)) return lowerSwitch(node);
  if (
    compiler.isInterfaceDeclaration(node) ||
    compiler.isTypeAliasDeclaration(node) ||
    compiler.isEmptyStatement(node)
  )
    return [];
  return [opaqueStep(node)];
}

/** A bare block is nothing but its statements, unless it has variables of its own. */
function lowerBlock(node: ts.Block): readonly Step[] {
  const body = lowerStatements(node.statements);
  const isPlain = compiler.isIfStatement(node.parent) || compiler.isIterationStatement(node.parent, false);
  if (isPlain || !body.some((step) => "declares" in step || step.kind === "function")) return body;
  const context: Expr = {
    kind: "literal",
    value: undefined,
    span: { start: node.getStart(), end: node.getStart() },
  };
  return [{ kind: "scope", context, body, span: spanOf(node) }];
}

function lowerExpressionStatement(node: ts.ExpressionStatement): readonly Step[] {
  const span = spanOf(node);
  const expression = unwrap(node.expression);
  if (!compiler.isBinaryExpression(expression) || !isAssignment(expression)) {
    return [{ kind: "evaluate", value: lowerExpression(node.expression, closures), span }];
  }
  const target = targetOf(expression.left, closures);
  const right = unwrap(expression.right);
  const isChain = compiler.isBinaryExpression(right) && isAssignment(right);
  if (target === undefined || isChain) {
    return [{ kind: "opaque", what: "assignment", parts: partsOf(expression, closures), body: [], span }];
  }
  const operator = expression.operatorToken.getText().slice(0, -1);
  const value = lowerExpression(expression.right, closures);
  return [{ kind: "assign", target, value, ...(operator !== "" && { operator }), span }];
}

/** `whole` is the statement; each declarator is one step, and a single one has the statement's span. */
function lowerDeclarations(list: ts.VariableDeclarationList, whole: ts.Node): readonly Step[] {
  const declares = declarationKind(list);
  return list.declarations.flatMap((one): Step[] => {
    const end = { start: one.getEnd(), end: one.getEnd() };
    const step: AssignStep = {
      kind: "assign",
      target: bindingTarget(one.name),
      value: one.initializer
        ? withDefaults(lowerExpression(one.initializer, closures), one.name)
        : { kind: "literal", value: undefined, span: end },
      declares,
      span: list.declarations.length === 1 ? spanOf(whole) : spanOf(one),
    };
    return [step];
  });
}

/** What a pattern takes apart, where a default in it may be taken instead: `const { a = k } = options`. */
function withDefaults(value: Expr, name: ts.BindingName): Expr {
  const defaults = defaultsIn(name).filter((one) => one.kind !== "literal");
  if (defaults.length === 0) return value;
  return { kind: "opaque", what: "defaults", parts: [value, ...defaults], span: value.span };
}

function defaultsIn(name: ts.BindingName): readonly Expr[] {
  if (compiler.isIdentifier(name)) return [];
  return name.elements.flatMap((item) => {
    if (compiler.isOmittedExpression(item)) return [];
    return [
      ...(item.initializer ? [lowerExpression(item.initializer, closures)] : []),
      ...defaultsIn(item.name),
    ];
  });
}

function declarationKind(list: ts.VariableDeclarationList): "const" | "let" | "var" | "using" {
  const flags = list.flags & compiler.NodeFlags.BlockScoped;
  if (flags === compiler.NodeFlags.Const) return "const";
  if (flags === compiler.NodeFlags.Let) return "let";
  return flags === 0 ? "var" : "using";
}

function lowerLoop(node: ts.IterationStatement): Step {
  const head: Expr[] = [];
  const before: Step[] = [];
  let target: ReturnType<typeof bindingTarget> | undefined;
  if (compiler.isForStatement(node)) {
    if (node.initializer && compiler.isVariableDeclarationList(node.initializer)) {
      before.push(...lowerDeclarations(node.initializer, node.initializer));
    } else if (node.initializer) head.push(lowerExpression(node.initializer, closures));
    for (const part of [node.condition, node.incrementor])
      if (part) head.push(lowerExpression(part, closures));
  } else if (compiler.isForOfStatement(node) || compiler.isForInStatement(node)) {
    head.push(lowerExpression(node.expression, closures));
    const [one] = compiler.isVariableDeclarationList(node.initializer) ? node.initializer.declarations : [];
    target =
      one === undefined ? targetOf(node.initializer as ts.Expression, closures) : bindingTarget(one.name);
  } else if (compiler.isWhileStatement(node) || compiler.isDoStatement(node))
    head.push(lowerExpression(node.expression, closures));
  const body = [...before, ...lowerStatement(node.statement)];
  return { kind: "loop", head, ...(target && { target }), body, span: spanOf(node) };
}

function lowerTry(node: ts.TryStatement): readonly Step[] {
  const context: Expr = { kind: "opaque", parts: [], what: "try", span: spanOf(node.tryBlock) };
  const handlers = [node.catchClause?.block, node.finallyBlock].filter((block) => block !== undefined);
  return [
    {
      kind: "scope",
      context,
      body: lowerStatements(node.tryBlock.statements),
      span: { start: node.getStart(), end: node.tryBlock.getEnd() },
    },
    ...handlers.map((block): OpaqueStep => {
      const body = lowerStatements(block.statements);
      return { kind: "opaque", what: "handler", parts: [], body, span: spanOf(block) };
    }),
  ];
}

/** Nested branches where that comes to the same. From the last to the first, each is the other arm of the one before. */
function lowerSwitch(node: ts.SwitchStatement): readonly Step[] {
  const span = spanOf(node);
  const subject = lowerExpression(node.expression, closures);
  const groups = switchGroups(node);
  if (groups === undefined) {
    const body = node.caseBlock.clauses.flatMap((clause) => lowerStatements(clause.statements));
    return [{ kind: "opaque", what: "switch", parts: [subject], body, span }];
  }
  let otherwise: readonly Step[] = [];
  let otherwiseSpan: Span | undefined;
  for (const group of groups.toReversed()) {
    const isFirst = group === groups[0];
    const own = isFirst ? span : { start: group.first.getStart(), end: span.end };
    const then = lowerStatements(group.statements);
    const thenSpan = spanOfAll(group.statements) ?? spanOf(group.first);
    if (group.isDefault && !isFirst) [otherwise, otherwiseSpan] = [then, thenSpan];
    else {
      const parts = [
        ...(isFirst ? [subject] : []),
        ...group.tests.map((test) => lowerExpression(test, closures)),
      ];
      const testSpan = { start: parts[0]?.span.start ?? own.start, end: parts.at(-1)?.span.end ?? own.start };
      const test: Expr = { kind: "opaque", what: "case", parts, span: testSpan };
      const branch = { kind: "branch", test, then, otherwise, thenSpan, span: own } as const;
      otherwise = [{ ...branch, ...(otherwiseSpan && { otherwiseSpan }) }];
      otherwiseSpan = own;
    }
  }
  return groups.length === 0 ? [{ kind: "evaluate", value: subject, span }] : otherwise;
}

function spanOfAll(statements: readonly ts.Statement[]): Span | undefined {
  const [first] = statements;
  return first && { start: first.getStart(), end: statements.at(-1)!.getEnd() };
}

function opaqueStep(node: ts.Statement): OpaqueStep {
  const span = spanOf(node);
  if (compiler.isLabeledStatement(node)) {
    return { kind: "opaque", what: "label", parts: [], body: lowerStatement(node.statement), span };
  }
  const isDeclaration = compiler.isEnumDeclaration(node) || compiler.isModuleDeclaration(node);
  return {
    kind: "opaque",
    what: "statement",
    parts: isDeclaration ? [] : partsOf(node, closures),
    body: [],
    span,
  };
}
