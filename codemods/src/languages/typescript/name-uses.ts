import type { ts } from "ts-morph";
import type { NameUse, SourceInput } from "../front-end.ts";
import { compiler } from "./compiler.ts";
import { parseScript, spanOf } from "./syntax.ts";

/** See `LanguageFrontEnd.usesOf`. */
export function scriptUses({ path, text }: SourceInput, name: string): readonly NameUse[] {
  const uses: NameUse[] = [];
  const visit = (node: ts.Node): void => {
    if (compiler.isIdentifier(node) && node.text === name)
      uses.push({ kind: kindOf(node), span: spanOf(node) });
    compiler.forEachChild(node, visit);
  };
  visit(parseScript(path, text));
  return uses;
}

function kindOf(node: ts.Identifier): NameUse["kind"] {
  const { parent } = node;
  if (compiler.isImportSpecifier(parent) || compiler.isImportClause(parent)) return "import";
  if (compiler.isExportSpecifier(parent)) return "export";
  if (compiler.isClassDeclaration(parent) && parent.name === node) return "declaration";
  // `norms.RmsNorm` is used as its whole is used.
  const whole = compiler.isPropertyAccessExpression(parent) && parent.name === node ? parent : node;
  const user = whole.parent;
  if (compiler.isNewExpression(user) && user.expression === whole) return "construction";
  if (compiler.isTypeReferenceNode(user) || compiler.isQualifiedName(user)) return "type";
  return "other";
}
