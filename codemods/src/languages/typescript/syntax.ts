import type { ts } from "ts-morph";
import type { ParseError, Span } from "../../form/form.ts";
import type { SourceInput } from "../front-end.ts";
import { noteParsed } from "../tree-memory.ts";
import { compiler } from "./compiler.ts";

/** Parses one file, without types. `.jsx` and `.js` may hold JSX, `.ts` may not: `<T>x` is a cast there. */
export function parseScript(path: string, text: string): ts.SourceFile {
  return parse(path, text, { parents: true });
}

/** What does not parse in one file. */
export function syntaxErrors({ path, text }: SourceInput): readonly ParseError[] {
  return parseErrors(parse(path, text, { parents: false }));
}

function parse(path: string, text: string, { parents }: { readonly parents: boolean }): ts.SourceFile {
  noteParsed(text);
  const { ScriptTarget, JSDocParsingMode } = compiler;
  const options = { languageVersion: ScriptTarget.Latest, jsDocParsingMode: JSDocParsingMode.ParseNone };
  return compiler.createSourceFile(path, text, options, parents, scriptKind(path));
}

function scriptKind(path: string): ts.ScriptKind {
  if (/\.tsx$/i.test(path)) return compiler.ScriptKind.TSX;
  if (/\.[cm]?ts$/i.test(path)) return compiler.ScriptKind.TS;
  return compiler.ScriptKind.JSX;
}

export function parseErrors(file: ts.SourceFile): readonly ParseError[] {
  // Not in the public types, but the only way to syntax errors without a program.
  const { parseDiagnostics = [] } = file as { parseDiagnostics?: readonly ts.DiagnosticWithLocation[] };
  return parseDiagnostics.map(({ start, messageText }) => ({
    offset: start,
    message: compiler.flattenDiagnosticMessageText(messageText, " "),
  }));
}

/** A semicolon that guards the next line, `a = b\n;[c] = d`, ends the statement for the parser, and is not of it. */
export function spanOf(node: ts.Node): Span {
  const [start, end] = [node.getStart(), node.getEnd()];
  const { text } = node.getSourceFile();
  if (text[end - 1] !== ";" || end - start < 2) return { start, end };
  const code = text.slice(start, end - 1).trimEnd();
  return {
    start,
    end: code !== "" && text.slice(start + code.length, end).includes("\n") ? start + code.length : end,
  };
}

export function hasModifier(node: ts.Node, kind: ts.SyntaxKind): boolean {
  return (
    compiler.canHaveModifiers(node) &&
    (compiler.getModifiers(node)?.some((one) => one.kind === kind) ?? false)
  );
}

/** Every identifier token by its text, in order, and every comment. */
export function tokensOf(file: ts.SourceFile): { mentions: Map<string, Span[]>; comments: { span: Span }[] } {
  const mentions = new Map<string, Span[]>();
  const comments: { span: Span }[] = [];
  const text = file.text;
  let gapStart = 0;
  const closeGap = (end: number): void => {
    // Between two leaves stand only punctuation, keywords and comments, so this pattern cannot meet a string.
    for (const found of text.slice(gapStart, end).matchAll(/\/\/[^\r\n]*|\/\*[\s\S]*?\*\//g)) {
      const start = gapStart + found.index;
      comments.push({ span: { start, end: start + found[0].length } });
    }
  };
  const visit = (node: ts.Node): void => {
    let isLeaf = true;
    compiler.forEachChild(node, (child) => {
      isLeaf = false;
      visit(child);
    });
    if (!isLeaf || node.getWidth(file) === 0) return;
    const span = spanOf(node);
    if (compiler.isIdentifier(node) || compiler.isPrivateIdentifier(node)) {
      const known = mentions.get(node.text);
      if (known === undefined) mentions.set(node.text, [span]);
      else known.push(span);
    }
    if (isEmptyBlock(node)) return;
    closeGap(span.start);
    gapStart = span.end;
  };
  visit(file);
  closeGap(text.length);
  return { mentions, comments };
}

/** A leaf of the tree that is no token: `{}` or `[]`, which may hold a comment. */
function isEmptyBlock(node: ts.Node): boolean {
  return node.kind > compiler.SyntaxKind.LastToken;
}
