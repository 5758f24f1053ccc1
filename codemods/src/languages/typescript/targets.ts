import type { ts } from "ts-morph";
import type { RecordField, Target } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import { type Closures, lowerExpression, unwrap } from "./lower-expression.ts";
import { spanOf } from "./syntax.ts";

/** The left side of an assignment. Undefined for a shape that cannot be followed, such as a default inside a pattern. */
export function targetOf(expression: ts.Expression, closures: Closures): Target | undefined {
  const node = unwrap(expression);
  const span = spanOf(expression);
  if (compiler.isIdentifier(node)) return { kind: "name", name: node.text, span };
  if (compiler.isPropertyAccessExpression(node)) {
    return {
      kind: "attribute",
      object: lowerExpression(node.expression, closures),
      name: node.name.text,
      span,
    };
  }
  if (compiler.isElementAccessExpression(node)) {
    const index = lowerExpression(node.argumentExpression, closures);
    return { kind: "index", object: lowerExpression(node.expression, closures), index, span };
  }
  if (compiler.isArrayLiteralExpression(node)) {
    const items = node.elements.map((item) =>
      compiler.isOmittedExpression(item) ? "hole" : itemTarget(item, closures),
    );
    if (items.includes(undefined)) return undefined;
    return { kind: "tuple", items: items.map((item) => (item === "hole" ? undefined : item)), span };
  }
  return undefined;
}

/** A declared name or pattern. */
export function bindingTarget(name: ts.BindingName): Target {
  const span = spanOf(name);
  if (compiler.isIdentifier(name)) return { kind: "name", name: name.text, span };
  if (compiler.isArrayBindingPattern(name)) {
    const items = name.elements.map((item) =>
      compiler.isOmittedExpression(item) ? undefined : elementTarget(item),
    );
    return { kind: "tuple", items, span };
  }
  return { kind: "record", fields: name.elements.map(fieldOf), span };
}

function itemTarget(item: ts.Expression, closures: Closures): Target | undefined {
  if (!compiler.isSpreadElement(item)) return targetOf(item, closures);
  const target = targetOf(item.expression, closures);
  return target && { kind: "rest", target, span: spanOf(item) };
}

function elementTarget(item: ts.BindingElement): Target {
  const target = bindingTarget(item.name);
  return item.dotDotDotToken === undefined ? target : { kind: "rest", target, span: spanOf(item) };
}

function fieldOf(item: ts.BindingElement): RecordField {
  const target = elementTarget(item);
  return { property: (item.propertyName ?? item.name).getText(), target };
}
