import type { ts } from "ts-morph";
import type { ClassForm, FileForm, FunctionForm } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { compiler } from "./compiler.ts";
import { exportedNames } from "./exported-names.ts";
import { importsOf } from "./imports.ts";
import { lowerClass } from "./lower-class.ts";
import { lowerFunction } from "./lower-function.ts";
import { closures, lowerStatements } from "./lower-steps.ts";
import { parseErrors, parseScript, tokensOf } from "./syntax.ts";

/** Lowers one TypeScript, TSX or JavaScript file. */
export function lowerScript({ path, language, text }: SourceInput): FileForm {
  const file = parseScript(path, text);
  const classes: ClassForm[] = [];
  const functions: FunctionForm[] = [];
  const own: ts.Statement[] = [];
  for (const node of file.statements) {
    const declared = compiler.isVariableStatement(node) ? functionsOf(node) : [];
    if (compiler.isFunctionDeclaration(node)) {
      if (node.body !== undefined) functions.push(lowerFunction(node, "", closures));
    } else if (declared.length > 0) functions.push(...declared);
    else if (!compiler.isClassDeclaration(node) && !compiler.isImportDeclaration(node)) own.push(node);
  }
  const addClasses = (node: ts.Node): void => {
    if (compiler.isClassLike(node) || compiler.isInterfaceDeclaration(node)) classes.push(lowerClass(node));
    compiler.forEachChild(node, addClasses);
  };
  addClasses(file);
  let tokens: ReturnType<typeof tokensOf> | undefined;
  const tokensOnce = () => {
    tokens ??= tokensOf(file);
    return tokens;
  };
  const errors = parseErrors(file);
  return {
    path,
    language,
    text,
    imports: importsOf(file),
    exportedAs: exportedNames(file),
    classes,
    functions,
    module: moduleOf(own, text),
    get comments() {
      return tokensOnce().comments;
    },
    get mentions() {
      return tokensOnce().mentions;
    },
    prose: [],
    nearErrors: errors,
    errors,
  };
}

function functionsOf(node: ts.VariableStatement): readonly FunctionForm[] {
  const [one, ...more] = node.declarationList.declarations;
  const value = one?.initializer;
  if (one === undefined || value === undefined || more.length > 0 || !compiler.isIdentifier(one.name))
    return [];
  return compiler.isArrowFunction(value) || compiler.isFunctionExpression(value)
    ? [lowerFunction(value, "", closures, one)]
    : [];
}

function moduleOf(statements: readonly ts.Statement[], text: string): FunctionForm {
  const span = { start: 0, end: text.length };
  return {
    name: "<module>",
    symbol: "<module>",
    kind: "module",
    params: [],
    body: lowerStatements(statements),
    span,
    bodySpan: span,
    nameSpan: { start: 0, end: 0 },
    leadingComments: [],
    decorators: [],
    visibility: "private",
    isStatic: false,
    isAsync: false,
  };
}
