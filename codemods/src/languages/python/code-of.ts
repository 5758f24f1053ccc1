import type { Span } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { enclosing, parsePython, type SyntaxNode, spanOf } from "./syntax.ts";

/** See `LanguageFrontEnd.codeOf`. */
export function pythonCode({ text }: SourceInput, span: Span): string {
  const root = nodeAt(parsePython(text), span);
  if (root === undefined) return text.slice(span.start, span.end);
  const locals = localsOf(root);
  const numbers = new Map<string, number>();
  const write = (node: SyntaxNode): string => {
    const children = node.children.filter((child) => !isLayout(child));
    if (children.length > 0) return `(${node.kind} ${children.map(write).join(" ")})`;
    const name = node.text;
    if (node.is("string_start")) return `${name.replace(/['"]+$/, "").toLowerCase()}"`;
    if (node.is("string_end")) return '"';
    if (!node.is("identifier") || !locals.has(name) || isMember(node)) return name;
    const number = numbers.get(name) ?? numbers.size;
    numbers.set(name, number);
    return `$${number}`;
  };
  return write(root);
}

/** The outermost node of the span. */
function nodeAt(node: SyntaxNode, span: Span): SyntaxNode | undefined {
  if (isAt(node, span)) return node;
  for (const child of node.children) {
    const { start, end } = spanOf(child);
    if (start <= span.start && span.end <= end) return nodeAt(child, span);
  }
  return undefined;
}

function isAt(node: SyntaxNode, span: Span): boolean {
  const { start, end } = spanOf(node);
  return start === span.start && end === span.end;
}

/** What may differ between two texts of one program: comments, documentation, commas that end a list. */
function isLayout(node: SyntaxNode): boolean {
  if (node.is("comment") || node.is("line_continuation")) return true;
  // Elsewhere the kind of the list tells: `(1,)` is a tuple, `(1)` is not.
  if (node.is(",")) return node.parent?.is("subscript") !== true;
  const only = node.is("expression_statement") ? node.children : [];
  return only.length === 1 && only[0]!.is("string") && node.isFirst;
}

/** Variables of functions. Parameters are no such: callers may name them. */
function localsOf(root: SyntaxNode): ReadonlySet<string> {
  const functions = root.all("function_definition");
  const params = functions.flatMap((one) => identifiersIn(one.field("parameters")));
  const assigned = root
    .all("assignment")
    .filter((one) => enclosing(one, ["function_definition", "class_definition"])?.is("function_definition"))
    .flatMap((one) => {
      const left = one.field("left");
      if (left?.is("identifier")) return [left.text];
      return left?.is("pattern_list")
        ? left.children.filter((part) => part.is("identifier")).map((part) => part.text)
        : [];
    });
  const fixed = new Set([
    ...params,
    ...root.all("global_statement", "nonlocal_statement").flatMap(identifiersIn),
  ]);
  return new Set(assigned.filter((name) => !fixed.has(name)));
}

function identifiersIn(node: SyntaxNode | undefined): readonly string[] {
  return node?.all("identifier").map((one) => one.text) ?? [];
}

/** `x.name` and `f(name=...)`. */
function isMember(node: SyntaxNode): boolean {
  const parent = node.parent;
  const member = parent?.is("attribute")
    ? parent.field("attribute")
    : parent?.is("keyword_argument")
      ? parent.field("name")
      : undefined;
  return member !== undefined && spanOf(member).start === spanOf(node).start;
}
