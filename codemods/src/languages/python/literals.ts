import type { LiteralExpr } from "../../form/form.ts";
import { type SyntaxNode, spanOf } from "./syntax.ts";

/** A number, string, constant or `...` as a literal; undefined for what has no plain value, such as an f-string with holes. */
export function readLiteral(node: SyntaxNode): LiteralExpr | undefined {
  const value = readValue(node);
  return value === undefined ? undefined : { kind: "literal", value: value.of, span: spanOf(node) };
}

// Boxed, since `undefined` is a value: that of `...`.
function readValue(node: SyntaxNode): { readonly of: LiteralExpr["value"] } | undefined {
  switch (node.kind) {
    case "integer":
    case "float":
      return boxed(readNumber(node.text));
    case "string":
      return boxed(readString(node));
    case "concatenated_string": {
      const pieces = node.children.filter((child) => child.is("string")).map(readString);
      return pieces.includes(undefined) ? undefined : { of: pieces.join("") };
    }
    case "true":
      return { of: true };
    case "false":
      return { of: false };
    case "none":
      return { of: null };
    case "ellipsis":
      return { of: undefined };
    default:
      return undefined;
  }
}

function boxed(value: number | string | undefined): { readonly of: number | string } | undefined {
  return value === undefined ? undefined : { of: value };
}

/** Python writes `1_000`, `0o17` and `1.` as JavaScript's `Number` reads them; `1j` and Python 2's `017` are not read. */
function readNumber(text: string): number | undefined {
  if (/^0\d/.test(text) && !text.includes(".")) return undefined;
  const value = Number(text.replaceAll("_", ""));
  return Number.isNaN(value) ? undefined : value;
}

function readString(node: SyntaxNode): string | undefined {
  const pieces = node.children;
  if (pieces.some((piece) => piece.is("interpolation"))) return undefined;
  const raw = /r/i.test(pieces[0]?.text.replace(/['"]+$/, "") ?? "");
  const content = pieces.filter((piece) => piece.is("string_content")).map((piece) => piece.text);
  return raw ? content.join("") : unescaped(content.join(""));
}

const escapes: Readonly<Record<string, string>> = {
  n: "\n",
  t: "\t",
  r: "\r",
  "\\": "\\",
  "'": "'",
  '"': '"',
};

/** The common escapes; a rarer one keeps its spelling, which no name of an attribute contains. */
function unescaped(content: string): string {
  return content.replaceAll(/\\(.)/g, (spelled, character: string) => escapes[character] ?? spelled);
}
