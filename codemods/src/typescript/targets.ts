import type { ts } from "ts-morph";
import type { RecordField, Target } from "../form.ts";
import { compiler } from "./compiler.ts";
import { lowerExpression, unwrap } from "./lower-expression.ts";
import { spanOf } from "./syntax.ts";

/** The left side of an assignment. Undefined for a shape that cannot be followed, such as a default inside a pattern. */
export function targetOf(expression: ts.Expression): Target | undefined {
  const node = unwrap(expression);
  const span = spanOf(expression);
  if (compiler.isIdentifier(node)) return { kind: "name", name: node.text, span };
  if (compiler.isPropertyAccessExpression(node)) {
    return { kind: "attribute", object: lowerExpression(node.expression), name: node.name.text, span };
  }
  if (compiler.isElementAccessExpression(node)) {
    const index = lowerExpression(node.argumentExpression);
    return { kind: "index", object: lowerExpression(node.expression), index, span };
  }
  if (compiler.isArrayLiteralExpression(node)) {
    const items = node.elements.map((item) =>
      compiler.isOmittedExpression(item) ? "hole" : itemTarget(item),
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

function itemTarget(item: ts.Expression): Target | undefined {
  if (!compiler.isSpreadElement(item)) return targetOf(item);
  const target = targetOf(item.expression);
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
