import type { FileForm, ImportedName, ImportForm, Span } from "../../form/form.ts";
import { isBlankLineAt, lineEndAt, nextLine, type TextEdit } from "../../text/text-edits.ts";
import { firstUse } from "../first-use.ts";
import type { AddedImport, ImportRequest } from "../front-end.ts";
import { styleOf } from "../layout.ts";
import { compare, newStatement, specifier } from "./new-import.ts";

/** See `LanguageFrontEnd.editImports`. */
export function editScriptImports(form: FileForm, request: ImportRequest): readonly TextEdit[] {
  const dropped = new Set(request.drop.filter((name) => isUnused(name, form, request.removed)));
  const added = request.add.filter((one) => !isImported(form, one));
  const known = added.map((one) => form.imports.find((statement) => isTypeOf(statement, one)));
  const homes = added.map((one, i) => known[i] ?? form.imports.find((statement) => canTake(statement, one)));
  const edits = form.imports.flatMap((statement) => {
    const mine = added.filter((_, i) => homes[i] === statement);
    const names = mine.filter((_, i) => known[i] === undefined).map((one) => specifier(one, statement));
    const valued = added.find((_, i) => known[i] === statement);
    return valued === undefined
      ? rewritten(statement, names, dropped, form)
      : asValue(statement, valued, dropped, form);
  });
  const homeless = added.filter((_, i) => homes[i] === undefined);
  return [
    ...edits,
    ...homeless.map((one) => besides(newStatement(form, one, firstUse(form, request)), edits)),
  ];
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
      one.names.some((known) => known.local === local && (!known.typeOnly || kind === "type")),
  );
}

/** Whether the statement brings in the type of what is wanted as a value, under the same name. */
function isTypeOf({ module, names, typeOnly, reexport }: ImportForm, wanted: AddedImport): boolean {
  const { name, local = name, kind } = wanted;
  if (module !== wanted.module || reexport || kind !== undefined) return false;
  return names.some((one) => one.imported === name && one.local === local && (typeOnly || one.typeOnly));
}

/** A name that was imported as a type becomes a value; the others of a statement of types stay types. */
function asValue(
  { names, span, typeOnly }: ImportForm,
  { name }: AddedImport,
  dropped: ReadonlySet<string>,
  form: FileForm,
): readonly TextEdit[] {
  const { text } = form;
  const open = text.indexOf("{", span.start);
  const close = text.lastIndexOf("}", span.end);
  const list = names
    .filter(({ local }) => !dropped.has(local))
    .map((one) => {
      const written = text.slice(one.span.start, one.span.end).replace(/^type\s+/, "");
      return one.imported !== name && (typeOnly || one.typeOnly) ? `type ${written}` : written;
    });
  const head = /^import\s+type\b/.exec(text.slice(span.start, open));
  const keyword =
    head === null ? [] : [{ span: { start: span.start, end: span.start + head[0].length }, text: "import" }];
  return [
    ...keyword,
    { span: { start: open, end: close + 1 }, text: braces(list, text.slice(open, close + 1), form) },
  ];
}

/** A value can be added to `import { a } from "m"`, not to `import type`, `import * as` or `require`; a type to either. */
function canTake(statement: ImportForm, { module, kind }: AddedImport): boolean {
  const { names, typeOnly, reexport, topLevel } = statement;
  const isNamed =
    names.length > 0 && names.every(({ imported }) => imported !== "*" && imported !== "default");
  const takes = kind === undefined ? !typeOnly : kind === "type";
  return statement.module === module && isNamed && takes && !reexport && topLevel;
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
