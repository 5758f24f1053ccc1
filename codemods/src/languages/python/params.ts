import type { Expr, Param } from "../../form/form.ts";
import { partsOf, type SyntaxNode, spanOf } from "./syntax.ts";
import { readTypeName } from "./type-names.ts";

/** What the names of a function body mean beyond themselves. */
export interface Scope {
  /** What the enclosing method calls its instance; undefined outside of methods and where a parameter hides it. */
  readonly self: string | undefined;
}

/** The parameters of a function or lambda, the bare `*` and `/` left out. `lower` is for their defaults. */
export function lowerParams(
  list: SyntaxNode | undefined,
  lower: (initial: SyntaxNode) => Expr,
): readonly Param[] {
  const separators = ["keyword_separator", "positional_separator"];
  const nodes = list === undefined ? [] : partsOf(list);
  return nodes.filter((node) => !separators.includes(node.kind)).map((node) => lowerParam(node, lower));
}

function lowerParam(node: SyntaxNode, lower: (initial: SyntaxNode) => Expr): Param {
  const named = node.field("name") ?? (node.is("typed_parameter") ? partsOf(node)[0] : node) ?? node;
  const rest = named.is("list_splat_pattern") || named.is("dictionary_splat_pattern");
  const type = readTypeName(node.field("type"));
  const initial = node.field("value");
  return {
    name: (rest ? partsOf(named)[0] : named)?.text ?? "",
    ...(type && { type }),
    ...(initial && { initial: lower(initial) }),
    rest,
    span: spanOf(node),
  };
}

/** The scope of a function inside a method: it sees the instance unless a parameter of its own has that name. */
export function scopeInside(params: readonly Param[], outer: Scope): Scope {
  return params.some(({ name }) => name === outer.self) ? { self: undefined } : outer;
}
