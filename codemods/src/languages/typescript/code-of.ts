import type { ts } from "ts-morph";
import type { Span } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { compiler } from "./compiler.ts";
import { parseScript } from "./syntax.ts";

/** See `LanguageFrontEnd.codeOf`. */
export function scriptCode({ path, text }: SourceInput, span: Span): string {
  const file = parseScript(path, text);
  const root = nodeAt(file, span);
  if (root === undefined) return text.slice(span.start, span.end);
  const locals = localsOf(root);
  const numbers = new Map<string, number>();
  const out: string[] = [];
  let gapStart = root.getStart(file);
  // Between two leaves stand keywords, operators and brackets only: what is left of a gap without layout is code.
  const closeGap = (end: number) =>
    out.push(text.slice(gapStart, end).replace(/\/\/[^\r\n]*|\/\*[\s\S]*?\*\/|[\s;,]+/g, ""));
  const visit = (node: ts.Node): void => {
    if (isExportKeyword(node) && node.parent === root) {
      gapStart = node.getEnd();
      return;
    }
    let isLeaf = true;
    out.push(`<${node.kind}${compiler.isForStatement(node) ? partsOf(node) : ""}`);
    compiler.forEachChild(node, (child) => {
      isLeaf = false;
      visit(child);
    });
    if (isLeaf) {
      closeGap(node.getStart(file));
      out.push(leafText(node, file, locals, numbers));
      gapStart = node.getEnd();
    }
    out.push(">");
  };
  visit(root);
  closeGap(root.getEnd());
  return out.join(" ");
}

function nodeAt(file: ts.SourceFile, { start, end }: Span): ts.Node | undefined {
  const search = (node: ts.Node): ts.Node | undefined => {
    if (node !== file && node.getStart(file) === start && node.getEnd() === end) return node;
    return compiler.forEachChild(node, (child) =>
      child.pos <= start && end <= child.end ? search(child) : undefined,
    );
  };
  return search(file);
}

/** Which parts of its head a `for` has: without the semicolons they look alike. */
function partsOf({ initializer, condition, incrementor }: ts.ForStatement): string {
  return [initializer, condition, incrementor].map((part) => (part === undefined ? "-" : "+")).join("");
}

function isExportKeyword({ kind }: ts.Node): boolean {
  return kind === compiler.SyntaxKind.ExportKeyword;
}

function leafText(
  node: ts.Node,
  file: ts.SourceFile,
  locals: ReadonlySet<string>,
  numbers: Map<string, number>,
): string {
  if (compiler.isStringLiteral(node)) return JSON.stringify(node.text);
  if (!compiler.isIdentifier(node) || !locals.has(node.text) || isPropertyName(node))
    return node.getText(file);
  const number = numbers.get(node.text) ?? numbers.size;
  numbers.set(node.text, number);
  return `$${number}`;
}

/** Variables and parameters that may be called otherwise without a difference to anybody. */
function localsOf(root: ts.Node): ReadonlySet<string> {
  const names = new Set<string>();
  const fixed = new Set<string>();
  const visit = (node: ts.Node): void => {
    const isVariable =
      (compiler.isVariableDeclaration(node) && node.parent.parent.parent !== root.parent) ||
      (compiler.isParameter(node) && !compiler.isParameterPropertyDeclaration(node, node.parent));
    if (isVariable && compiler.isIdentifier(node.name)) names.add(node.name.text);
    if (compiler.isShorthandPropertyAssignment(node)) fixed.add(node.name.text);
    if (compiler.isBindingElement(node) && compiler.isIdentifier(node.name)) fixed.add(node.name.text);
    compiler.forEachChild(node, visit);
  };
  visit(root);
  for (const name of fixed) names.delete(name);
  return names;
}

function isPropertyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (compiler.isPropertyAccessExpression(parent) || compiler.isBindingElement(parent))
    return parent.name === node && !compiler.isBindingElement(parent);
  if (compiler.isQualifiedName(parent)) return parent.right === node;
  const isMember =
    compiler.isClassElement(parent) ||
    compiler.isTypeElement(parent) ||
    compiler.isPropertyAssignment(parent);
  return (isMember && parent.name === node) || compiler.isTypeReferenceNode(parent);
}
