import type { FileForm, ImportedName, ImportForm, Span } from "../../form/form.ts";
import { isBlankLineAt, lineEndAt, nextLine, type TextEdit } from "../../text/text-edits.ts";
import type { AddedImport, ImportRequest } from "../front-end.ts";
import { styleOf } from "../layout.ts";

/** See `LanguageFrontEnd.editImports`. */
export function editScriptImports(form: FileForm, request: ImportRequest): readonly TextEdit[] {
  const dropped = new Set(request.drop.filter((name) => isUnused(name, form, request.removed)));
  const added = request.add.filter((one) => !isImported(form, one));
  const homes = added.map((one) => form.imports.find((statement) => canTake(statement, one)));
  const edits = form.imports.flatMap((statement) => {
    const names = added.filter((_, i) => homes[i] === statement).map((one) => specifier(one, statement));
    return rewritten(statement, names, dropped, form);
  });
  const homeless = added.filter((_, i) => homes[i] === undefined);
  return [...edits, ...homeless.map((one) => besides(newStatement(form, one), edits))];
}

/** A statement that would go behind one that is taken out comes to its place. */
function besides(insertion: TextEdit, edits: readonly TextEdit[]): TextEdit {
  const { start } = insertion.span;
  const gone = edits.find(({ span, text }) => text === "" && span.start < start && start < span.end);
  if (gone === undefined) return insertion;
  const [, lineEnd = "", line = ""] = /^(\r\n|\n|\r)?([\s\S]*)$/.exec(insertion.text) ?? [];
  return { span: { start: gone.span.start, end: gone.span.start }, text: line + lineEnd };
}

function isImported(form: FileForm, { module, name, local = name, kind }: AddedImport): boolean {
  return form.imports.some(
    (one) =>
      one.module === module &&
      (!one.typeOnly || kind === "type") &&
      !one.reexport &&
      one.names.some((known) => known.local === local),
  );
}

/** A value can be added to `import { a } from "m"`, not to `import type`, `import * as` or `require`; a type to either. */
function canTake(statement: ImportForm, { module, kind }: AddedImport): boolean {
  const { names, typeOnly, reexport, topLevel } = statement;
  const isNamed =
    names.length > 0 && names.every(({ imported }) => imported !== "*" && imported !== "default");
  const takes = kind === undefined ? !typeOnly : kind === "type";
  return statement.module === module && isNamed && takes && !reexport && topLevel;
}

/** The name as it stands between the braces. */
function specifier(
  { name, local = name, kind }: AddedImport,
  { typeOnly }: { readonly typeOnly: boolean },
): string {
  const renamed = local === name ? name : `${name} as ${local}`;
  return kind === "type" && !typeOnly ? `type ${renamed}` : renamed;
}

function isUnused(name: string, form: FileForm, removed: readonly Span[]): boolean {
  const holders = form.imports.filter(
    ({ names, topLevel }) => topLevel && names.some(({ local }) => local === name),
  );
  if (holders.length !== 1 || holders[0]!.reexport) return false;
  const gone = [holders[0]!.span, ...removed];
  const mentions = form.mentions.get(name) ?? [];
  return mentions.every((span) => gone.some((one) => one.start <= span.start && span.end <= one.end));
}

function rewritten(
  statement: ImportForm,
  added: readonly string[],
  dropped: ReadonlySet<string>,
  form: FileForm,
): readonly TextEdit[] {
  const { text } = form;
  const kept = statement.names.filter(({ local }) => !dropped.has(local));
  if (statement.reexport || (added.length === 0 && kept.length === statement.names.length)) return [];
  if (kept.length === 0 && added.length === 0) {
    const end = nextLine(text, statement.span.end);
    const isAlone = text.slice(statement.span.end, lineEndAt(text, statement.span.end)).trim() === "";
    // A file does not begin with the blank line that stood below its only import.
    const isWhole = isAlone && statement.span.start === 0 && isBlankLineAt(text, end);
    const next = isWhole ? nextLine(text, end) : end;
    return [{ span: isAlone ? { start: statement.span.start, end: next } : statement.span, text: "" }];
  }
  const named = statement.names.filter(({ imported }) => imported !== "default" && imported !== "*");
  const open = text.indexOf("{", statement.span.start);
  const close = text.lastIndexOf("}", statement.span.end);
  if (named.length === 0 || open === -1 || close < open || named.length < statement.names.length) return [];
  const list = [...kept.map((one) => text.slice(one.span.start, one.span.end))];
  for (const name of added) list.splice(placeOf(name, kept, list), 0, name);
  const written = text.slice(open, close + 1);
  const span = { start: open, end: close + 1 };
  if (
    kept.every(({ typeOnly }) => typeOnly) &&
    added.length === 0 &&
    statement.names.some((one) => !one.typeOnly)
  ) {
    // What is left are types: `import { type A }` would still load the module, `import type { A }` does not.
    const types = list.map((name) => name.replace(/^type\s+/, ""));
    const keyword = {
      start: statement.span.start + "import".length,
      end: statement.span.start + "import".length,
    };
    return [
      { span: keyword, text: " type" },
      { span, text: braces(types, written, form) },
    ];
  }
  return [{ span, text: braces(list, written, form) }];
}

/** In sorted place when the names are sorted, else last. */
function placeOf(name: string, kept: readonly ImportedName[], list: readonly string[]): number {
  const names = kept.map(({ imported }) => imported);
  const isSorted = names.every((one, i) => i === 0 || compare(names[i - 1]!, one) <= 0);
  const before = names.findIndex((one) => compare(one, name.replace(/^type /, "")) > 0);
  return isSorted && before !== -1 ? before : list.length;
}

function braces(list: readonly string[], written: string, form: FileForm): string {
  const { lineEnd, unit } = styleOf(form);
  if (/[\r\n]/.test(written))
    return `{${list.map((name) => `${lineEnd}${unit}${name},`).join("")}${lineEnd}}`;
  return /^\{\S/.test(written) ? `{${list.join(", ")}}` : `{ ${list.join(", ")} }`;
}

/** Packages first, then relative files, as most files have it; sorted among its kind where they are. */
function newStatement(form: FileForm, added: AddedImport): TextEdit {
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
  const next = statements.find((one) => compareModules(one.module, module) > 0);
  if (next !== undefined) return insertion(next.span.start, `${line}${lineEnd}`);
  const last = (isRequire ? form.imports : statements).at(-1);
  if (last !== undefined) return insertion(lineEndAt(form.text, last.span.end), `${lineEnd}${line}`);
  const start = codeStart(form);
  return insertion(start, `${line}${lineEnd}${lineEnd}`);
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

function compare(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x === y) return 0;
  return x < y ? -1 : 1;
}
