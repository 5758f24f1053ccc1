import type { TypeName } from "../../form/form.ts";
import { parsePython, partsOf, type SyntaxNode } from "./syntax.ts";

/** The class that an annotation names, if it is one: through `Optional[X]`, `X | None`, `Union[X, None]` and quotes. */
export function readTypeName(annotation: SyntaxNode | undefined): TypeName | undefined {
  if (annotation === undefined) return undefined;
  const node = annotation.is("type") ? annotation.firstChild : annotation;
  switch (node?.kind) {
    case "identifier":
    case "attribute":
    case "member_type":
      return { name: node.text.replaceAll(/\s/g, ""), nullable: false };
    case "string":
      return readQuoted(node);
    case "binary_operator":
    case "union_type":
      return node.children.some((child) => child.is("|")) ? readUnion(partsOf(node)) : undefined;
    case "generic_type":
    case "subscript":
      return readGeneric(node);
    default:
      return undefined;
  }
}

function readQuoted(node: SyntaxNode): TypeName | undefined {
  const content = node.children.filter((child) => child.is("string_content"));
  const statement = parsePython(content.map((piece) => piece.text).join("")).firstChild;
  return readTypeName(statement?.firstChild);
}

function readGeneric(node: SyntaxNode): TypeName | undefined {
  const [head, ...rest] = partsOf(node);
  const args = rest.flatMap((part) => (part.is("type_parameter") ? partsOf(part) : [part]));
  const name = head?.text.replace(/^(?:typing|t)\./, "");
  if (name === "Optional" && args.length === 1) return nullable(readTypeName(args[0]));
  return name === "Union" ? readUnion(args) : undefined;
}

/** One class and None; two classes have no one name. */
function readUnion(members: readonly SyntaxNode[]): TypeName | undefined {
  const classes = members.filter((member) => member.text !== "None");
  if (classes.length !== 1) return undefined;
  const inner = readTypeName(classes[0]);
  return classes.length < members.length ? nullable(inner) : inner;
}

function nullable(type: TypeName | undefined): TypeName | undefined {
  return type && { ...type, nullable: true };
}
