import type { Expr, Span, Step } from "../../form/form.ts";
import { lowerExpression, partsInside } from "./lower-expression.ts";
import type { Scope } from "./params.ts";
import { partsOf, type SyntaxNode, spanOf } from "./syntax.ts";
import { lowerTarget, targetAsValue } from "./targets.ts";

/** Lowers a statement that holds no other statement. `pass`, `...` and bare annotations are nothing, and left out. */
export function lowerSimple(node: SyntaxNode, scope: Scope): readonly Step[] {
  const kind = node.kind;
  const lower = lowerings[kind];
  if (lower !== undefined) return lower(node, scope);
  const what = kind === "delete_statement" ? "del" : kind.replace(/_statement$/, "");
  return [{ kind: "opaque", what, parts: partsInside(node, scope), body: [], span: statementSpan(node) }];
}

/** With the semicolon that ends it on a shared line. */
export function statementSpan(node: SyntaxNode): Span {
  const next = node.next;
  return next?.is(";") ? { start: spanOf(node).start, end: spanOf(next).end } : spanOf(node);
}

type Lowering = (node: SyntaxNode, scope: Scope) => readonly Step[];

const lowerings: Readonly<Record<string, Lowering>> = {
  pass_statement: () => [],
  import_statement: lowerImport,
  import_from_statement: lowerImport,
  expression_statement: lowerExpressionStatement,
  return_statement: lowerReturn,
  raise_statement: lowerLeave,
  break_statement: lowerLeave,
  continue_statement: lowerLeave,
};

/** What it binds is among the imports of the file; here it is only known to stand in the way. */
function lowerImport(node: SyntaxNode): readonly Step[] {
  return [{ kind: "opaque", what: "import", parts: [], body: [], span: statementSpan(node) }];
}

function lowerExpressionStatement(node: SyntaxNode, scope: Scope): readonly Step[] {
  const span = statementSpan(node);
  const parts = partsOf(node);
  const [first] = parts;
  if (first === undefined || first.is("ellipsis")) return [];
  if (first.is("assignment")) return lowerAssignment(first, span, scope);
  if (first.is("augmented_assignment")) return lowerAugmented(first, span, scope);
  const values = parts.map((part) => lowerExpression(part, scope));
  const [only] = values;
  const bare = only !== undefined && values.length === 1 && !node.children.some((child) => child.is(","));
  return [
    { kind: "evaluate", value: bare ? only : { kind: "tuple", items: values, span: spanOf(node) }, span },
  ];
}

/** `a = b = value` assigns b, then gives a what b now is. */
function lowerAssignment(node: SyntaxNode, span: Span, scope: Scope): readonly Step[] {
  const left = node.field("left");
  const right = node.field("right");
  if (left === undefined || right === undefined) return []; // a bare annotation: `q: Tensor`
  const target = lowerTarget(left, scope);
  if (!right.is("assignment"))
    return [{ kind: "assign", target, value: lowerExpression(right, scope), span }];
  const inner = lowerAssignment(right, span, scope);
  const last = inner.at(-1);
  if (last?.kind !== "assign") return inner;
  return [...inner, { kind: "assign", target, value: targetAsValue(last.target), span }];
}

function lowerAugmented(node: SyntaxNode, span: Span, scope: Scope): readonly Step[] {
  const left = node.field("left");
  const right = node.field("right");
  if (left === undefined || right === undefined) return [];
  const operator = node.field("operator")?.text.slice(0, -1) ?? "";
  return [
    {
      kind: "assign",
      target: lowerTarget(left, scope),
      value: lowerExpression(right, scope),
      operator,
      span,
    },
  ];
}

function lowerReturn(node: SyntaxNode, scope: Scope): readonly Step[] {
  const [value] = partsOf(node);
  const span = statementSpan(node);
  return [value ? { kind: "return", value: lowerExpression(value, scope), span } : { kind: "return", span }];
}

function lowerLeave(node: SyntaxNode, scope: Scope): readonly Step[] {
  const parts = partsInside(node, scope);
  const span = statementSpan(node);
  const [first] = parts;
  if (first === undefined) return [{ kind: "leave", span }];
  // `raise error from cause`
  const value: Expr = parts.length === 1 ? first : { kind: "opaque", what: "raise", parts, span };
  return [{ kind: "leave", value, span }];
}
