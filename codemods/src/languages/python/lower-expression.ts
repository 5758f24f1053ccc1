import type { Argument, Expr } from "../../form/form.ts";
import { readLiteral } from "./literals.ts";
import { opaqueNames, silent, wrappers } from "./opaque-kinds.ts";
import { spelling } from "./operators.ts";
import { lowerParams, type Scope, scopeInside } from "./params.ts";
import { isPart, isSpreadCall, partsOf, type SyntaxNode, spanOf } from "./syntax.ts";

/** Deeper than any code that people write; a sum of 10,000 terms is as deep as it is long, and stacks are not. */
const deepest = 200;
let depth = 0;

/** Lowers one expression. What has no kind of its own is opaque, with every expression inside it as a part. */
export function lowerExpression(node: SyntaxNode, scope: Scope): Expr {
  if (depth >= deepest) return tooDeep(node, scope);
  depth += 1;
  try {
    const lower = lowerings[node.kind];
    return readLiteral(node) ?? lower?.(node, scope) ?? opaque(node, scope);
  } finally {
    depth -= 1;
  }
}

/** Its names at least are seen to be read. */
function tooDeep(node: SyntaxNode, scope: Scope): Expr {
  const parts = node.all("identifier").flatMap((name) => lowerName(name, scope));
  return { kind: "opaque", what: "nesting", parts, span: spanOf(node) };
}

type Lowering = (node: SyntaxNode, scope: Scope) => Expr | undefined;

const lowerings: Readonly<Record<string, Lowering>> = {
  identifier: lowerName,
  parenthesized_expression: lowerOnlyPart,
  attribute: lowerAttribute,
  call: lowerCall,
  subscript: lowerIndex,
  slice: lowerSlice,
  list: lowerItems,
  tuple: lowerItems,
  expression_list: lowerItems,
  // The targets of an assignment, where a chain reads them as values.
  pattern_list: lowerItems,
  list_pattern: lowerItems,
  tuple_pattern: lowerItems,
  unary_operator: lowerUnary,
  not_operator: (node, scope) => operation(node, "!", [node.field("argument")], scope),
  binary_operator: lowerBinary,
  boolean_operator: lowerBinary,
  comparison_operator: lowerComparison,
  conditional_expression: lowerChoice,
  lambda: lowerLambda,
  await: (node, scope) => {
    const [value] = partsOf(node);
    return value && { kind: "await", value: lowerExpression(value, scope), span: spanOf(node) };
  },
};

function lowerName(node: SyntaxNode, scope: Scope): Expr {
  const name = node.text;
  if (name === "super") return { kind: "opaque", what: "super", parts: [], span: spanOf(node) };
  return name === scope.self
    ? { kind: "self", span: spanOf(node) }
    : { kind: "name", name, span: spanOf(node) };
}

function lowerOnlyPart(node: SyntaxNode, scope: Scope): Expr | undefined {
  const [inner] = partsOf(node);
  return inner && { ...lowerExpression(inner, scope), span: spanOf(node) };
}

function lowerAttribute(node: SyntaxNode, scope: Scope): Expr | undefined {
  const object = node.field("object");
  const name = node.field("attribute");
  if (object === undefined || name === undefined) return undefined;
  return {
    kind: "attribute",
    object: lowerExpression(object, scope),
    name: name.text,
    optional: false,
    span: spanOf(node),
  };
}

function lowerCall(node: SyntaxNode, scope: Scope): Expr | undefined {
  const callee = node.field("function");
  const list = node.field("arguments");
  if (callee === undefined || list === undefined) return undefined;
  if (isSpreadCall(node))
    return { kind: "opaque", what: "spread", parts: partsInside(list, scope), span: spanOf(node) };
  const cast = castValue(callee, list);
  if (cast !== undefined) return { ...lowerExpression(cast, scope), span: spanOf(node) };
  return {
    kind: "call",
    callee: lowerExpression(callee, scope),
    // `sum(x for x in xs)` has the comprehension itself as its argument list.
    args: list.is("argument_list")
      ? partsOf(list).map((argument) => lowerArgument(argument, scope))
      : [{ value: lowerExpression(list, scope), spread: false, span: spanOf(list) }],
    construct: false,
    optional: false,
    span: spanOf(node),
  };
}

/** `cast(T, x)` is x. */
function castValue(callee: SyntaxNode, list: SyntaxNode): SyntaxNode | undefined {
  if (!/^(?:typing\s*\.\s*)?cast$/.test(callee.text)) return undefined;
  const args = partsOf(list);
  return args.length === 2 && !args.some((argument) => argument.is("keyword_argument")) ? args[1] : undefined;
}

/** Arguments of a call, and the bases of a class. */
export function lowerArgument(node: SyntaxNode, scope: Scope): Argument {
  const span = spanOf(node);
  const value = node.is("keyword_argument") ? node.field("value") : partsOf(node)[0];
  if (node.is("keyword_argument") && value) {
    const keyword = node.field("name")?.text ?? "";
    return { value: lowerExpression(value, scope), keyword, spread: false, span };
  }
  if ((node.is("list_splat") || node.is("dictionary_splat")) && value) {
    return { value: lowerExpression(value, scope), spread: true, span };
  }
  const starred = isSpreadCall(node) ? node.field("arguments") : undefined;
  if (starred !== undefined) {
    const [inner] = partsInside(starred, scope);
    if (inner !== undefined) return { value: inner, spread: true, span };
  }
  return { value: lowerExpression(node, scope), spread: false, span };
}

function lowerIndex(node: SyntaxNode, scope: Scope): Expr | undefined {
  const [object, ...indices] = partsOf(node);
  const [first] = indices;
  const last = indices.at(-1);
  if (object === undefined || first === undefined || last === undefined) return undefined;
  const items = indices.map((index) => lowerExpression(index, scope));
  const span = { start: spanOf(first).start, end: spanOf(last).end };
  // `x[a,]` and `x[a, b]` index by a tuple, and so does the comma alone.
  const isTuple = node.children.some((child) => child.is(","));
  const [only] = items;
  const index: Expr = isTuple || only === undefined ? { kind: "tuple", items, span } : only;
  return { kind: "index", object: lowerExpression(object, scope), index, span: spanOf(node) };
}

/** `a:b:c`, with an undefined literal for what is left out. */
function lowerSlice(node: SyntaxNode, scope: Scope): Expr {
  const span = spanOf(node);
  const bounds: (Expr | undefined)[] = [undefined];
  for (const child of node.children) {
    if (child.is(":")) bounds.push(undefined);
    else if (isPart(child)) bounds[bounds.length - 1] = lowerExpression(child, scope);
  }
  const nothing: Expr = { kind: "literal", value: undefined, span: { start: span.start, end: span.start } };
  return { kind: "operation", operator: ":", operands: bounds.map((bound) => bound ?? nothing), span };
}

function lowerItems(node: SyntaxNode, scope: Scope): Expr | undefined {
  const items = partsOf(node);
  const [only] = items;
  // `(x) = 3` is a target in parentheses, not a tuple of one.
  const bare = only && items.length === 1 && !node.is("list") && !node.is("list_pattern");
  if (bare && !node.children.some((child) => child.is(","))) return lowerExpression(only, scope);
  return { kind: "tuple", items: items.map((item) => lowerExpression(item, scope)), span: spanOf(node) };
}

function lowerUnary(node: SyntaxNode, scope: Scope): Expr | undefined {
  const operand = node.field("argument");
  const operator = node.field("operator")?.text ?? "";
  const literal = operand && readLiteral(operand);
  if (operator === "-" && typeof literal?.value === "number") {
    return { kind: "literal", value: -literal.value, span: spanOf(node) };
  }
  return operation(node, operator, [operand], scope);
}

function lowerBinary(node: SyntaxNode, scope: Scope): Expr | undefined {
  const operator = node.field("operator")?.text ?? "";
  return operation(node, spelling(operator), [node.field("left"), node.field("right")], scope);
}

/** `a < b < c` compares twice and joins the answers. */
function lowerComparison(node: SyntaxNode, scope: Scope): Expr | undefined {
  const operands = partsOf(node).map((operand) => lowerExpression(operand, scope));
  const operators = node.children.filter((child) => !child.isNamed).map((child) => child.text);
  const pairs = operators.flatMap((operator, i): Expr[] => {
    const [left, right] = [operands[i], operands[i + 1]];
    if (left === undefined || right === undefined) return [];
    const span = { start: left.span.start, end: right.span.end };
    return [{ kind: "operation", operator: spelling(operator), operands: [left, right], span }];
  });
  return pairs.length > 1
    ? { kind: "operation", operator: "&&", operands: pairs, span: spanOf(node) }
    : pairs[0];
}

function operation(
  node: SyntaxNode,
  operator: string,
  operands: readonly (SyntaxNode | undefined)[],
  scope: Scope,
): Expr | undefined {
  const known = operands.filter((operand) => operand !== undefined);
  if (operator === "" || known.length < operands.length) return undefined;
  return {
    kind: "operation",
    operator,
    operands: known.map((operand) => lowerExpression(operand, scope)),
    span: spanOf(node),
  };
}

function lowerChoice(node: SyntaxNode, scope: Scope): Expr | undefined {
  const [then, test, otherwise] = partsOf(node).map((part) => lowerExpression(part, scope));
  if (then === undefined || test === undefined || otherwise === undefined) return undefined;
  return { kind: "choice", test, then, otherwise, span: spanOf(node) };
}

function lowerLambda(node: SyntaxNode, scope: Scope): Expr | undefined {
  const result = node.field("body");
  if (result === undefined) return undefined;
  const params = lowerParams(node.field("parameters"), (initial) => lowerExpression(initial, scope));
  const value = lowerExpression(result, scopeInside(params, scope));
  return { kind: "closure", params, body: [{ kind: "return", value, span: value.span }], span: spanOf(node) };
}

function opaque(node: SyntaxNode, scope: Scope): Expr {
  const kind = node.kind;
  return {
    kind: "opaque",
    what: opaqueNames[kind] ?? kind,
    parts: partsInside(node, scope),
    span: spanOf(node),
  };
}

/** Every expression inside a node that is lowered as opaque. */
export function partsInside(node: SyntaxNode, scope: Scope): readonly Expr[] {
  return partsOf(node).flatMap((part) => {
    const kind = part.kind;
    if (silent.has(kind)) return [];
    return wrappers.has(kind) ? partsInside(part, scope) : [lowerExpression(part, scope)];
  });
}
