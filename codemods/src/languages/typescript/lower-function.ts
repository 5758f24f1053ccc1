import type { ts } from "ts-morph";
import type { FunctionForm, Param, Span, Step } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import type { Closures } from "./lower-expression.ts";
import { hasModifier, spanOf } from "./syntax.ts";
import { isPromise, typeNameOf } from "./type-name.ts";

type FunctionNode =
  | ts.FunctionDeclaration
  | ts.MethodDeclaration
  | ts.ConstructorDeclaration
  | ts.AccessorDeclaration
  | ts.ArrowFunction
  | ts.FunctionExpression;

/** A function or a member. `holder` is the declaration that names an arrow function: a variable or a property. */
export function lowerFunction(
  node: FunctionNode,
  owner: string,
  closures: Closures,
  holder?: ts.VariableDeclaration | ts.PropertyDeclaration,
): FunctionForm {
  const nameNode = holder?.name ?? node.name;
  const name = compiler.isConstructorDeclaration(node) ? "constructor" : (nameNode?.getText() ?? "default");
  const whole =
    holder !== undefined && compiler.isVariableDeclaration(holder) ? holder.parent.parent : (holder ?? node);
  const returns = typeNameOf(node.type);
  let params: readonly Param[] | undefined;
  let body: readonly Step[] | undefined;
  return {
    name,
    symbol: owner === "" ? name : `${owner}.${name}`,
    kind: kindOf(node, owner),
    // Lowered when first asked for: most functions of a model file have nothing to do with attention.
    get params() {
      params ??= closures.params(node.parameters);
      return params;
    },
    get body() {
      body ??= closures.body(node.body);
      return body;
    },
    span: spanOf(whole),
    bodySpan: node.body === undefined ? spanOf(node) : spanOf(node.body),
    nameSpan: nameNode === undefined ? spanOf(node) : spanOf(nameNode),
    get leadingComments() {
      return leadingComments(whole);
    },
    decorators: decoratorsOf(whole),
    visibility: visibilityOf(whole, name, owner),
    isStatic: hasModifier(whole, compiler.SyntaxKind.StaticKeyword),
    isAsync: hasModifier(node, compiler.SyntaxKind.AsyncKeyword) || isPromise(node.type),
    ...(owner !== "" && { owner }),
    ...(returns && { returns }),
  };
}

function kindOf(node: FunctionNode, owner: string): FunctionForm["kind"] {
  if (compiler.isConstructorDeclaration(node)) return "constructor";
  if (compiler.isAccessor(node)) return "accessor";
  return owner === "" ? "function" : "method";
}

function visibilityOf(node: ts.Node, name: string, owner: string): FunctionForm["visibility"] {
  if (owner === "") return hasModifier(node, compiler.SyntaxKind.ExportKeyword) ? "exported" : "private";
  if (name.startsWith("#") || hasModifier(node, compiler.SyntaxKind.PrivateKeyword)) return "private";
  return hasModifier(node, compiler.SyntaxKind.ProtectedKeyword) ? "protected" : "public";
}

/** Comments that touch the declaration: no blank line in between. */
function leadingComments(node: ts.Node): readonly Span[] {
  const text = node.getSourceFile().text;
  const ranges = compiler.getLeadingCommentRanges(text, node.getFullStart()) ?? [];
  const touching: Span[] = [];
  let below = node.getStart();
  for (const { pos, end } of [...ranges].reverse()) {
    if (/(?:\r\n|\n|\r)[ \t]*(?:\r\n|\n|\r)/.test(text.slice(end, below))) break;
    // A comment that ends the line of the code before belongs to that code.
    if (/\S/.test(text.slice(Math.max(text.lastIndexOf("\n", pos), text.lastIndexOf("\r", pos)) + 1, pos)))
      break;
    touching.unshift({ start: pos, end });
    below = pos;
  }
  return touching;
}

function decoratorsOf(node: ts.Node): readonly string[] {
  if (!compiler.canHaveDecorators(node)) return [];
  return (compiler.getDecorators(node) ?? []).map(({ expression }) =>
    (compiler.isCallExpression(expression) ? expression.expression : expression).getText(),
  );
}
