import type { NameUse, SourceInput } from "../front-end.ts";
import { enclosing, parsePython, type SyntaxNode, spanOf } from "./syntax.ts";

/** See `LanguageFrontEnd.usesOf`. */
export function pythonUses({ text }: SourceInput, name: string): readonly NameUse[] {
  return parsePython(text)
    .all("identifier")
    .filter((node) => node.text === name)
    .map((node) => ({ kind: kindOf(node), span: spanOf(node) }));
}

function kindOf(node: SyntaxNode): NameUse["kind"] {
  if (enclosing(node, ["import_statement", "import_from_statement"])) return "import";
  const parent = node.parent;
  if (parent?.is("class_definition") && isField(parent, "name", node)) return "declaration";
  const whole = parent?.is("attribute") && isField(parent, "attribute", node) ? parent : node;
  const user = whole.parent;
  if (user?.is("call") && isField(user, "function", whole)) return "construction";
  return enclosing(node, ["type", "block"])?.is("type") ? "type" : "other";
}

function isField(parent: SyntaxNode, field: string, node: SyntaxNode): boolean {
  const found = parent.field(field);
  return (
    found !== undefined &&
    spanOf(found).start === spanOf(node).start &&
    spanOf(found).end === spanOf(node).end
  );
}
