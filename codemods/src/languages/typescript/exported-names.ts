import type { ts } from "ts-morph";
import { compiler } from "./compiler.ts";
import { hasModifier } from "./syntax.ts";

/** Exported name to the name in the file, where they differ. */
export function exportedNames(file: ts.SourceFile): ReadonlyMap<string, string> {
  return new Map(file.statements.flatMap(pairsOf));
}

function pairsOf(node: ts.Statement): readonly [string, string][] {
  if (compiler.isClassDeclaration(node) || compiler.isFunctionDeclaration(node)) {
    const isDefault = hasModifier(node, compiler.SyntaxKind.DefaultKeyword);
    return isDefault && node.name !== undefined ? [["default", node.name.text]] : [];
  }
  if (compiler.isExportAssignment(node))
    return compiler.isIdentifier(node.expression) ? [["default", node.expression.text]] : [];
  if (compiler.isExportDeclaration(node) && node.moduleSpecifier === undefined)
    return renamed(node.exportClause);
  return compiler.isExpressionStatement(node) ? commonJs(node.expression) : [];
}

function renamed(clause: ts.NamedExportBindings | undefined): readonly [string, string][] {
  if (clause === undefined || !compiler.isNamedExports(clause)) return [];
  return clause.elements.flatMap(({ name, propertyName }) =>
    propertyName === undefined ? [] : [[name.text, propertyName.text] as [string, string]],
  );
}

/** `module.exports = RmsNorm`, `module.exports = { HeadNorm: RmsNorm }`. */
function commonJs(node: ts.Expression): readonly [string, string][] {
  if (!compiler.isBinaryExpression(node) || node.left.getText() !== "module.exports") return [];
  if (compiler.isIdentifier(node.right)) return [["default", node.right.text]];
  if (!compiler.isObjectLiteralExpression(node.right)) return [];
  return node.right.properties.flatMap((one) =>
    compiler.isPropertyAssignment(one) && compiler.isIdentifier(one.initializer)
      ? [[one.name.getText(), one.initializer.text] as [string, string]]
      : [],
  );
}
