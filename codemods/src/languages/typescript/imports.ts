import type { ts } from "ts-morph";
import type { ImportedName, ImportForm } from "../../form/form.ts";
import { compiler } from "./compiler.ts";
import { spanOf } from "./syntax.ts";

/** Imports and re-exports of a file, and top-level `require` calls. */
export function importsOf(file: ts.SourceFile): readonly ImportForm[] {
  return file.statements.flatMap((node): ImportForm[] => {
    if (compiler.isImportDeclaration(node) && compiler.isStringLiteral(node.moduleSpecifier)) {
      const clause = node.importClause;
      const typeOnly = clause?.phaseModifier === compiler.SyntaxKind.TypeKeyword;
      return [formOf(node, node.moduleSpecifier.text, importedNames(clause), { typeOnly, reexport: false })];
    }
    if (
      compiler.isExportDeclaration(node) &&
      node.moduleSpecifier &&
      compiler.isStringLiteral(node.moduleSpecifier)
    ) {
      const names = exportedNames(node.exportClause, node);
      return [formOf(node, node.moduleSpecifier.text, names, { typeOnly: node.isTypeOnly, reexport: true })];
    }
    return compiler.isVariableStatement(node) ? requiresOf(node) : [];
  });
}

function formOf(
  node: ts.Statement,
  module: string,
  names: readonly ImportedName[],
  flags: { typeOnly: boolean; reexport: boolean },
): ImportForm {
  return { module, names, span: spanOf(node), topLevel: true, ...flags };
}

function importedNames(clause: ts.ImportClause | undefined): readonly ImportedName[] {
  if (clause === undefined) return [];
  const names: ImportedName[] = [];
  if (clause.name !== undefined) names.push(named("default", clause.name));
  const bindings = clause.namedBindings;
  if (bindings !== undefined && compiler.isNamespaceImport(bindings)) names.push(named("*", bindings.name));
  if (bindings !== undefined && compiler.isNamedImports(bindings))
    names.push(...bindings.elements.map(specifierOf));
  return names;
}

function exportedNames(clause: ts.NamedExportBindings | undefined, node: ts.Node): readonly ImportedName[] {
  if (clause === undefined) return [{ imported: "*", local: "*", typeOnly: false, span: spanOf(node) }];
  if (compiler.isNamespaceExport(clause)) {
    return [{ imported: "*", local: clause.name.text, typeOnly: false, span: spanOf(clause) }];
  }
  return clause.elements.map(specifierOf);
}

function specifierOf(one: ts.ImportSpecifier | ts.ExportSpecifier): ImportedName {
  const imported = (one.propertyName ?? one.name).text;
  return { imported, local: one.name.text, typeOnly: one.isTypeOnly, span: spanOf(one) };
}

function named(imported: string, node: ts.Identifier): ImportedName {
  return { imported, local: node.text, typeOnly: false, span: spanOf(node) };
}

/** `const { RmsNorm } = require("./norms")`, `const norms = require("./norms")`. */
function requiresOf(node: ts.VariableStatement): ImportForm[] {
  return node.declarationList.declarations.flatMap((one): ImportForm[] => {
    const call = one.initializer;
    if (call === undefined || !compiler.isCallExpression(call) || call.expression.getText() !== "require")
      return [];
    const [module] = call.arguments;
    if (module === undefined || !compiler.isStringLiteral(module)) return [];
    if (compiler.isArrayBindingPattern(one.name)) return [];
    const names = compiler.isIdentifier(one.name)
      ? [named("*", one.name)]
      : one.name.elements.map(requiredName);
    return [formOf(node, module.text, names, { typeOnly: false, reexport: false })];
  });
}

function requiredName(item: ts.BindingElement): ImportedName {
  const imported = (item.propertyName ?? item.name).getText();
  return { imported, local: item.name.getText(), typeOnly: false, span: spanOf(item) };
}
