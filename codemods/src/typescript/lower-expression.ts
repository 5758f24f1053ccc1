import { ts } from "ts-morph";
import type { Argument, Expr, LiteralExpr, Span } from "../form.ts";
import { lowerBody, lowerParams } from "./lower-steps.ts";
import { spanOf } from "./syntax.ts";

/** One expression. What does not change its value is dropped; the span stays that of the outer text. */
export function lowerExpression(node: ts.Expression): Expr {
  const span = spanOf(node);
  const inner = unwrap(node);
  return inner === node ? lowerBare(node, span) : { ...lowerExpression(inner), span };
}

/** Without parentheses, `!`, `as T`, `satisfies T` and `<T>`. */
export function unwrap(node: ts.Expression): ts.Expression {
  let inner = node;
  while (
    ts.isParenthesizedExpression(inner) ||
    ts.isNonNullExpression(inner) ||
    ts.isAsExpression(inner) ||
    ts.isSatisfiesExpression(inner) ||
    ts.isTypeAssertionExpression(inner)
  ) {
    inner = inner.expression;
  }
  return inner;
}

function lowerBare(node: ts.Expression, span: Span): Expr {
  if (ts.isIdentifier(node)) {
    if (node.text === "undefined") return { kind: "literal", value: undefined, span };
    return { kind: "name", name: node.text, span };
  }
  if (node.kind === ts.SyntaxKind.ThisKeyword) return { kind: "self", span };
  if (ts.isPropertyAccessExpression(node)) {
    const object = lowerExpression(node.expression);
    return {
      kind: "attribute",
      object,
      name: node.name.text,
      optional: node.questionDotToken !== undefined,
      span,
    };
  }
  if (ts.isElementAccessExpression(node)) return lowerElement(node, span);
  if (ts.isCallExpression(node) || ts.isNewExpression(node)) {
    return {
      kind: "call",
      callee: lowerExpression(node.expression),
      args: (node.arguments ?? []).map(lowerArgument),
      construct: ts.isNewExpression(node),
      optional: ts.isCallExpression(node) && node.questionDotToken !== undefined,
      span,
    };
  }
  if (ts.isArrayLiteralExpression(node)) {
    return { kind: "tuple", items: node.elements.map(lowerExpression), span };
  }
  if (ts.isConditionalExpression(node)) {
    const then = lowerExpression(node.whenTrue);
    const otherwise = lowerExpression(node.whenFalse);
    return { kind: "choice", test: lowerExpression(node.condition), then, otherwise, span };
  }
  if (ts.isAwaitExpression(node)) return { kind: "await", value: lowerExpression(node.expression), span };
  if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) {
    return { kind: "closure", params: lowerParams(node.parameters), body: lowerBody(node.body), span };
  }
  return literalOf(node, span) ?? operationOf(node, span) ?? opaque(node, span);
}

function lowerElement(node: ts.ElementAccessExpression, span: Span): Expr {
  const object = lowerExpression(node.expression);
  const key = unwrap(node.argumentExpression);
  if (ts.isStringLiteralLike(key)) {
    return {
      kind: "attribute",
      object,
      name: key.text,
      optional: node.questionDotToken !== undefined,
      span,
    };
  }
  return { kind: "index", object, index: lowerExpression(node.argumentExpression), span };
}

function lowerArgument(node: ts.Expression): Argument {
  const span = spanOf(node);
  if (ts.isSpreadElement(node)) return { value: lowerExpression(node.expression), spread: true, span };
  return { value: lowerExpression(node), spread: false, span };
}

function literalOf(node: ts.Expression, span: Span): LiteralExpr | undefined {
  if (ts.isNumericLiteral(node)) return { kind: "literal", value: Number(node.text), span };
  if (ts.isStringLiteralLike(node)) return { kind: "literal", value: node.text, span };
  if (node.kind === ts.SyntaxKind.NullKeyword) return { kind: "literal", value: null, span };
  if (node.kind === ts.SyntaxKind.TrueKeyword) return { kind: "literal", value: true, span };
  if (node.kind === ts.SyntaxKind.FalseKeyword) return { kind: "literal", value: false, span };
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.MinusToken) {
    const of = unwrap(node.operand);
    if (ts.isNumericLiteral(of)) return { kind: "literal", value: -Number(of.text), span };
  }
  return undefined;
}

const sameOperator: Readonly<Record<string, string>> = { "===": "==", "!==": "!=" };

function operationOf(node: ts.Expression, span: Span): Expr | undefined {
  if (ts.isBinaryExpression(node)) {
    const operands = [lowerExpression(node.left), lowerExpression(node.right)];
    if (isAssignment(node)) return { kind: "opaque", parts: operands, what: "assignment", span };
    const written = node.operatorToken.getText();
    return { kind: "operation", operator: sameOperator[written] ?? written, operands, span };
  }
  if (ts.isPrefixUnaryExpression(node)) {
    const operands = [lowerExpression(node.operand)];
    const operator = ts.tokenToString(node.operator) ?? "?";
    if (operator === "++" || operator === "--")
      return { kind: "opaque", parts: operands, what: "assignment", span };
    return { kind: "operation", operator, operands, span };
  }
  if (ts.isPostfixUnaryExpression(node)) {
    return { kind: "opaque", parts: [lowerExpression(node.operand)], what: "assignment", span };
  }
  return undefined;
}

export function isAssignment(node: ts.BinaryExpression): boolean {
  const { kind } = node.operatorToken;
  return kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment;
}

const opaqueNames: Partial<Record<ts.SyntaxKind, string>> = {
  [ts.SyntaxKind.TemplateExpression]: "template",
  [ts.SyntaxKind.ObjectLiteralExpression]: "object",
  [ts.SyntaxKind.YieldExpression]: "yield",
  [ts.SyntaxKind.SuperKeyword]: "super",
  [ts.SyntaxKind.SpreadElement]: "spread",
  [ts.SyntaxKind.ClassExpression]: "class",
};

function opaque(node: ts.Expression, span: Span): Expr {
  const what = opaqueNames[node.kind] ?? "expression";
  return { kind: "opaque", parts: ts.isClassExpression(node) ? [] : partsOf(node), what, span };
}

/** The expressions directly inside a node, through nodes that are none themselves (properties, template spans, JSX). */
export function partsOf(node: ts.Node): readonly Expr[] {
  const parts: Expr[] = [];
  const visit = (child: ts.Node): void => {
    if (ts.isTypeNode(child)) return;
    if (ts.isMethodDeclaration(child) || ts.isAccessor(child)) {
      const body = lowerBody(child.body);
      parts.push({ kind: "closure", params: lowerParams(child.parameters), body, span: spanOf(child) });
    } else if (ts.isShorthandPropertyAssignment(child)) parts.push(lowerExpression(child.name));
    else if (ts.isPropertyAssignment(child)) {
      if (ts.isComputedPropertyName(child.name)) visit(child.name.expression);
      visit(child.initializer);
    } else if (ts.isExpression(child) && !ts.isJsxAttributes(child)) parts.push(lowerExpression(child));
    else ts.forEachChild(child, visit);
  };
  ts.forEachChild(node, visit);
  return parts;
}
