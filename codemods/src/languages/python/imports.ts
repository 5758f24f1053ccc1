import type { ImportedName, ImportForm } from "../../form/form.ts";
import { enclosing, partsOf, type SyntaxNode, spanOf } from "./syntax.ts";

/**
 * Every import of a file, in the order of the text. `import a, b` is one statement of two modules: two forms of one span.
 */
export function importsOf(root: SyntaxNode): readonly ImportForm[] {
  const kinds = ["import_statement", "import_from_statement", "future_import_statement"];
  return root.all(...kinds).flatMap(readStatement);
}

function readStatement(node: SyntaxNode): ImportForm[] {
  const typeOnly = isTypeOnly(node);
  const common = {
    span: spanOf(node),
    typeOnly,
    topLevel: node.parent?.is("module") ?? false,
    reexport: false,
  };
  const parts = partsOf(node);
  if (node.is("import_statement")) {
    return parts.map((part) => ({ ...common, module: nameOf(part), names: [boundModule(part, typeOnly)] }));
  }
  const [first, ...rest] = parts;
  const future = node.is("future_import_statement");
  const names = (future ? parts : rest).map((part) => member(part, typeOnly));
  return [{ ...common, module: future || !first ? "__future__" : nameOf(first), names }];
}

/** `import a.b` binds a and makes `a.b` readable: its local name is the whole path. */
function boundModule(part: SyntaxNode, typeOnly: boolean): ImportedName {
  return { imported: "*", local: part.field("alias")?.text ?? nameOf(part), typeOnly, span: spanOf(part) };
}

function member(part: SyntaxNode, typeOnly: boolean): ImportedName {
  const imported = nameOf(part);
  return { imported, local: part.field("alias")?.text ?? imported, typeOnly, span: spanOf(part) };
}

/** The dotted path, without the white space that Python allows around its dots. */
function nameOf(part: SyntaxNode): string {
  const name = part.is("aliased_import") ? (part.field("name") ?? part) : part;
  return name.text.replaceAll(/\s/g, "");
}

function isTypeOnly(node: SyntaxNode): boolean {
  const guard = enclosing(node, ["if_statement", "function_definition"]);
  return /^(?:typing\s*\.\s*)?TYPE_CHECKING$/.test(guard?.field("condition")?.text ?? "");
}
