import type { FileForm, ImportForm, Span } from "../../form/form.ts";
import { isDirective, linesWithComments } from "../../text/directives.ts";
import { lineEndAt, nextLine, type TextEdit } from "../../text/text-edits.ts";
import type { AddedImport } from "../front-end.ts";
import { styleOf } from "../layout.ts";

/** Packages first, then relative files, as most files have it; sorted among its kind where they are. */
export function newStatement(form: FileForm, added: AddedImport, use: number): TextEdit {
  const { module } = added;
  const { lineEnd, semicolon } = styleOf(form);
  const statements = form.imports.filter(
    ({ topLevel, reexport, span }) => topLevel && !reexport && isImport(form, span),
  );
  const isSingle = ({ span }: ImportForm) => /'[^']*'\)?;?$/.test(form.text.slice(span.start, span.end));
  const quote = form.imports.some(isSingle) ? "'" : '"';
  const isRequire = statements.length === 0 && isCommonJs(form);
  const end = semicolon || (statements.length === 0 && form.imports.length === 0) ? ";" : "";
  const bound = binding(added, isRequire);
  const line = isRequire
    ? `const ${bound} = require(${quote}${module}${quote})${end}`
    : `import ${bound} from ${quote}${module}${quote}${end}`;
  const early = statements.filter(({ span }) => span.start < use);
  const next = early.find((one) => compareModules(one.module, module) > 0);
  if (next !== undefined) return insertion(aboveDirectives(next.span, form), `${line}${lineEnd}`);
  const last = (isRequire ? form.imports.filter(({ span }) => span.start < use) : early).at(-1);
  if (last !== undefined) return insertion(lineEndAt(form.text, last.span.end), `${lineEnd}${line}`);
  const start = codeStart(form);
  return insertion(start, `${line}${lineEnd}${lineEnd}`);
}

/** A comment that tells a tool something about an import stays directly above it. */
function aboveDirectives({ start }: Span, { text }: FileForm): number {
  const lines = linesWithComments({ start, end: start }, text);
  return isDirective(text.slice(lines.start, start)) ? lines.start : start;
}

/** What stands left of `from` or `=`. */
function binding(added: AddedImport, isRequire: boolean): string {
  const { name, local = name, kind } = added;
  if (kind === "default") return local;
  if (kind === "module") return isRequire ? local : `* as ${local}`;
  if (isRequire) return `{ ${local === name ? name : `${name}: ${local}`} }`;
  return `${kind === "type" ? "type " : ""}{ ${specifier(added, { typeOnly: true })} }`;
}

/** A file that requires or exports by assignment, or that says so by its extension. */
export function isCommonJs(form: FileForm): boolean {
  if (form.language === "typescript") return false;
  if (form.imports.length > 0) return form.imports.every(({ span }) => !isModuleSyntax(form, span));
  return form.path.endsWith(".cjs") || /^(?:module\.)?exports\b/m.test(form.text);
}

function isModuleSyntax({ text }: FileForm, { start }: Span): boolean {
  return text.startsWith("import", start) || text.startsWith("export", start);
}

function isImport({ text }: FileForm, span: Span): boolean {
  return text.startsWith("import", span.start);
}

function insertion(offset: number, text: string): TextEdit {
  return { span: { start: offset, end: offset }, text };
}

/** Behind a `#!` line, a header comment and directives such as "use strict". */
function codeStart({ text, comments, module }: FileForm): number {
  let offset = text.startsWith("#!") ? nextLine(text, 0) : 0;
  const [first] = comments;
  if (first !== undefined && text.slice(offset, first.span.start).trim() === "") {
    const after = nextLine(text, first.span.end);
    // A comment that touches the code below it is about that code, not about the file.
    if (/^[ \t]*(?:\r\n|\n|\r|$)/.test(text.slice(after))) offset = nextLine(text, after);
  }
  for (const step of module.body) {
    const isDirective = step.kind === "evaluate" && step.value.kind === "literal";
    if (!isDirective || text.slice(offset, step.span.start).trim() !== "") break;
    offset = nextLine(text, step.span.end);
  }
  return offset;
}

/** `node:fs` before packages before `../x` before `./x`; then by name. */
function compareModules(a: string, b: string): number {
  return rank(a) - rank(b) || compare(a, b);
}

function rank(module: string): number {
  if (module.startsWith("node:")) return 0;
  if (!module.startsWith(".")) return 1;
  return module.startsWith("..") ? 2 : 3;
}

export function compare(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}

/** The name as it stands between the braces. */
export function specifier(
  { name, local = name, kind }: AddedImport,
  { typeOnly }: { readonly typeOnly: boolean },
): string {
  const renamed = local === name ? name : `${name} as ${local}`;
  return kind === "type" && !typeOnly ? `type ${renamed}` : renamed;
}
