import type { ts } from "ts-morph";
import type { Argument, Expr, LiteralExpr, Param, Span, Step } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import { spanOf } from "./syntax.ts";

/**
 * How the inside of a function is lowered. Expressions hold functions and functions hold expressions, so that one of the two has to
 * be handed to the other.
 */
export interface Closures {
  readonly params: (params: readonly ts.ParameterDeclaration[]) => readonly Param[];
  /** The steps of a body; a lambda's expression is one `return`. */
  readonly body: (body: ts.ConciseBody | undefined) => readonly Step[];
}

/** One expression. What does not change its value is dropped; the span stays that of the outer text. */
export function lowerExpression(node: ts.Expression, closures: Closures): Expr {
  const span = spanOf(node);
  const inner = unwrap(node);
  return inner === node ? lowerBare(node, span, closures) : { ...lowerExpression(inner, closures), span };
}

/** Without parentheses, `!`, `as T`, `satisfies T` and `<T>`. */
export function unwrap(node: ts.Expression): ts.Expression {
  let inner = node;
  while (
    compiler.isParenthesizedExpression(inner) ||
    compiler.isNonNullExpression(inner) ||
    compiler.isAsExpression(inner) ||
    compiler.isSatisfiesExpression(inner) ||
    compiler.isTypeAssertionExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

function lowerBare(node: ts.Expression, span: Span, closures: Closures): Expr {
  if (compiler.isIdentifier(node)) {
    if (node.text === "undefined") return { kind: "literal", value: undefined, span };
    return { kind: "name", name: node.text, span };
  }
  if (node.kind === compiler.SyntaxKind.ThisKeyword) return { kind: "self", span };
  if (compiler.isPropertyAccessExpression(node)) {
    const object = lowerExpression(node.expression, closures);
    return {
      kind: "attribute",
      object,
      name: node.name.text,
      optional: node.questionDotToken !== undefined,
      span,
    };
  }
  if (compiler.isElementAccessExpression(node)) return lowerElement(node, span, closures);
  if (compiler.isCallExpression(node) || compiler.isNewExpression(node)) {
    return {
      kind: "call",
      callee: lowerExpression(node.expression, closures),
      args: (node.arguments ?? []).map((one) => lowerArgument(one, closures)),
      construct: compiler.isNewExpression(node),
      optional: compiler.isCallExpression(node) && node.questionDotToken !== undefined,
      span,
    };
  }
  if (compiler.isTaggedTemplateExpression(node)) {
    const holes = partsOf(node.template, closures);
    return {
      kind: "call",
      callee: lowerExpression(node.tag, closures),
      args: holes.map((value) => ({ value, spread: false, span: value.span })),
      construct: false,
      optional: false,
      span,
    };
  }
  if (compiler.isArrayLiteralExpression(node)) {
    return { kind: "tuple", items: node.elements.map((one) => lowerExpression(one, closures)), span };
  }
  if (compiler.isConditionalExpression(node)) {
    const then = lowerExpression(node.whenTrue, closures);
    const otherwise = lowerExpression(node.whenFalse, closures);
    return { kind: "choice", test: lowerExpression(node.condition, closures), then, otherwise, span };
  }
  if (compiler.isAwaitExpression(node))
    return { kind: "await", value: lowerExpression(node.expression, closures), span };
  if (compiler.isArrowFunction(node) || compiler.isFunctionExpression(node)) {
    return {
      kind: "closure",
      params: closures.params(node.parameters),
      body: closures.body(node.body),
      span,
    };
  }
  return literalOf(node, span) ?? operationOf(node, span, closures) ?? opaque(node, span, closures);
}

function lowerElement(node: ts.ElementAccessExpression, span: Span, closures: Closures): Expr {
  const object = lowerExpression(node.expression, closures);
  const key = unwrap(node.argumentExpression);
  if (compiler.isStringLiteralLike(key)) {
    return {
      kind: "attribute",
      object,
      name: key.text,
      optional: node.questionDotToken !== undefined,
      span,
    };
  }
  return { kind: "index", object, index: lowerExpression(node.argumentExpression, closures), span };
}

function lowerArgument(node: ts.Expression, closures: Closures): Argument {
  const span = spanOf(node);
  if (compiler.isSpreadElement(node))
    return { value: lowerExpression(node.expression, closures), spread: true, span };
  return { value: lowerExpression(node, closures), spread: false, span };
}

function literalOf(node: ts.Expression, span: Span): LiteralExpr | undefined {
  if (compiler.isNumericLiteral(node)) return { kind: "literal", value: Number(node.text), span };
  if (compiler.isStringLiteralLike(node)) return { kind: "literal", value: node.text, span };
  if (node.kind === compiler.SyntaxKind.NullKeyword) return { kind: "literal", value: null, span };
  if (node.kind === compiler.SyntaxKind.TrueKeyword) return { kind: "literal", value: true, span };
  if (node.kind === compiler.SyntaxKind.FalseKeyword) return { kind: "literal", value: false, span };
  if (compiler.isPrefixUnaryExpression(node) && node.operator === compiler.SyntaxKind.MinusToken) {
    const of = unwrap(node.operand);
    if (compiler.isNumericLiteral(of)) return { kind: "literal", value: -Number(of.text), span };
  }
  return undefined;
}

const sameOperator: Readonly<Record<string, string>> = { "===": "==", "!==": "!=" };

function operationOf(node: ts.Expression, span: Span, closures: Closures): Expr | undefined {
  if (compiler.isBinaryExpression(node)) {
    const operands = [lowerExpression(node.left, closures), lowerExpression(node.right, closures)];
    if (isAssignment(node)) return { kind: "opaque", parts: operands, what: "assignment", span };
    const written = node.operatorToken.getText();
    return { kind: "operation", operator: sameOperator[written] ?? written, operands, span };
  }
  if (compiler.isPrefixUnaryExpression(node)) {
    const operands = [lowerExpression(node.operand, closures)];
    const operator = compiler.tokenToString(node.operator) ?? "?";
    if (operator === "++" || operator === "--")
      return { kind: "opaque", parts: operands, what: "assignment", span };
    return { kind: "operation", operator, operands, span };
  }
  if (compiler.isPostfixUnaryExpression(node)) {
    return { kind: "opaque", parts: [lowerExpression(node.operand, closures)], what: "assignment", span };
  }
  return undefined;
}

export function isAssignment(node: ts.BinaryExpression): boolean {
  const { kind } = node.operatorToken;
  return kind >= compiler.SyntaxKind.FirstAssignment && kind <= compiler.SyntaxKind.LastAssignment;
}

const opaqueNames: Partial<Record<ts.SyntaxKind, string>> = {
  [compiler.SyntaxKind.TemplateExpression]: "template",
  [compiler.SyntaxKind.ObjectLiteralExpression]: "object",
  [compiler.SyntaxKind.YieldExpression]: "yield",
  [compiler.SyntaxKind.SuperKeyword]: "super",
  [compiler.SyntaxKind.SpreadElement]: "spread",
  [compiler.SyntaxKind.ClassExpression]: "class",
};

function opaque(node: ts.Expression, span: Span, closures: Closures): Expr {
  const what = opaqueNames[node.kind] ?? "expression";
  return {
    kind: "opaque",
    parts: partsOf(node, closures),
    what,
    span,
  };
}

/** The expressions directly inside a node, through nodes that are none themselves (properties, template spans, JSX). */
export function partsOf(node: ts.Node, closures: Closures): readonly Expr[] {
  const parts: Expr[] = [];
  const visit = (child: ts.Node): void => {
    if (compiler.isTypeNode(child)) return;
    if (compiler.isMethodDeclaration(child) || compiler.isAccessor(child)) {
      const body = closures.body(child.body);
      parts.push({ kind: "closure", params: closures.params(child.parameters), body, span: spanOf(child) });
    } else if (compiler.isShorthandPropertyAssignment(child))
      parts.push(asOutput(child.name.text, lowerExpression(child.name, closures)));
    else if (compiler.isPropertyAssignment(child)) {
      if (compiler.isComputedPropertyName(child.name)) visit(child.name.expression);
      const name = compiler.isIdentifier(child.name) ? child.name.text : "";
      parts.push(asOutput(name, lowerExpression(child.initializer, closures)));
    } else if (compiler.isExpression(child) && !compiler.isJsxAttributes(child))
      parts.push(lowerExpression(child, closures));
    else compiler.forEachChild(child, visit);
  };
  compiler.forEachChild(node, visit);
  return parts;
}

/** Where a function is told to write what it gives: `{ out: buffer }`, `{ inplace: true }`. */
function asOutput(property: string, value: Expr): Expr {
  if (property !== "out" && property !== "inplace") return value;
  return { kind: "opaque", parts: [value], what: "output", span: value.span };
}
