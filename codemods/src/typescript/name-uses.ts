import { ts } from "ts-morph";
import type { NameUse, SourceInput } from "../front-end.ts";
import { parseScript, spanOf } from "./syntax.ts";

/** See `LanguageFrontEnd.usesOf`. */
export function scriptUses({ path, text }: SourceInput, name: string): readonly NameUse[] {
  const uses: NameUse[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && node.text === name) uses.push({ kind: kindOf(node), span: spanOf(node) });
    ts.forEachChild(node, visit);
  };
  visit(parseScript(path, text));
  return uses;
}

function kindOf(node: ts.Identifier): NameUse["kind"] {
  const { parent } = node;
  if (ts.isImportSpecifier(parent) || ts.isImportClause(parent)) return "import";
  if (ts.isExportSpecifier(parent)) return "export";
  if (ts.isClassDeclaration(parent) && parent.name === node) return "declaration";
  // `norms.RmsNorm` is used as its whole is used.
  const whole = ts.isPropertyAccessExpression(parent) && parent.name === node ? parent : node;
  const user = whole.parent;
  if (ts.isNewExpression(user) && user.expression === whole) return "construction";
  if (ts.isTypeReferenceNode(user) || ts.isQualifiedName(user)) return "type";
  return "other";
}
