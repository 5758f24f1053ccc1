import type { Expr, Target } from "../../form/form.ts";
import { lowerExpression } from "./lower-expression.ts";
import type { Scope } from "./params.ts";
import { partsOf, type SyntaxNode, spanOf } from "./syntax.ts";

/** What stands left of `=`, after `for` and after `as`. */
export function lowerTarget(node: SyntaxNode, scope: Scope): Target {
  const span = spanOf(node);
  switch (node.kind) {
    case "attribute": {
      const object = node.field("object") ?? node;
      return {
        kind: "attribute",
        object: lowerExpression(object, scope),
        name: node.field("attribute")?.text ?? "",
        span,
      };
    }
    case "subscript": {
      const indexed = lowerExpression(node, scope);
      if (indexed.kind === "index") return { ...indexed, span };
      break;
    }
    case "list_splat_pattern":
    case "list_splat": {
      const [inner] = partsOf(node);
      if (inner !== undefined) return { kind: "rest", target: lowerTarget(inner, scope), span };
      break;
    }
    case "as_pattern_target":
    case "parenthesized_expression": {
      const [inner] = partsOf(node);
      if (inner !== undefined) return lowerTarget(inner, scope);
      break;
    }
    case "pattern_list":
    case "tuple_pattern":
    case "list_pattern":
    case "expression_list":
    case "tuple":
    case "list":
      return lowerTuple(node, scope);
  }
  return { kind: "name", name: node.text, span };
}

function lowerTuple(node: SyntaxNode, scope: Scope): Target {
  const items = partsOf(node);
  const [only] = items;
  const isTuple = node.is("list_pattern") || node.children.some((child) => child.is(","));
  if (only && items.length === 1 && !isTuple) return lowerTarget(only, scope);
  return { kind: "tuple", items: items.map((item) => lowerTarget(item, scope)), span: spanOf(node) };
}

/** What reading the target gives right after it was assigned: `b` in `a = b = value`. */
export function targetAsValue(target: Target): Expr {
  const { span } = target;
  switch (target.kind) {
    case "name":
      return { kind: "name", name: target.name, span };
    case "attribute":
      return { kind: "attribute", object: target.object, name: target.name, optional: false, span };
    case "index":
      return { kind: "index", object: target.object, index: target.index, span };
    case "tuple":
      return {
        kind: "tuple",
        items: target.items.flatMap((item) => (item ? [targetAsValue(item)] : [])),
        span,
      };
    case "rest":
      return { kind: "opaque", what: "spread", parts: [targetAsValue(target.target)], span };
    case "record":
      return {
        kind: "opaque",
        what: "object",
        parts: target.fields.map((field) => targetAsValue(field.target)),
        span,
      };
    default:
      return target satisfies never;
  }
}
