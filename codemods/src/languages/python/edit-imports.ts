import type { FileForm, ImportedName, ImportForm, Span } from "../../form/form.ts";
import type { TextEdit } from "../../text/text-edits.ts";
import { firstUse } from "../first-use.ts";
import type { AddedImport, ImportRequest } from "../front-end.ts";
import { idleGuards } from "./guarded-imports.ts";
import { editNames } from "./import-names.ts";
import { insertStatement } from "./import-place.ts";
import { type ImportStatement, importStatements } from "./import-statements.ts";
import { lineEnd, lineStart } from "./lines.ts";

/** See `LanguageFrontEnd.editImports`. */
export function editPythonImports(form: FileForm, asked: ImportRequest): readonly TextEdit[] {
  const idle = idleGuards(form, asked);
  const request = {
    ...asked,
    drop: idle.length === 0 || isFirst(form) ? asked.drop : [...asked.drop, "TYPE_CHECKING"],
    removed: [...asked.removed, ...idle],
  };
  const statements = importStatements(form);
  const use = firstUse(form, request);
  const early = statements.filter(({ span }) => span.start < use);
  const width = widthOf(form.text, statements);
  const missing = request.add.filter((one) => !isImported(early, one));
  const modules = missing.filter(({ kind }) => kind === "module");
  const wanted = missing
    .filter(({ kind }) => kind !== "module")
    .map(({ module, name, local = name }) => ({
      module,
      name: local === name ? name : `${name} as ${local}`,
    }));
  const homes = wanted.map((item) => ({ ...item, home: early.find((one) => takes(one, item.module)) }));
  const edited = statements.flatMap((statement) => {
    const add = homes.filter(({ home }) => home === statement).map(({ name }) => name);
    const drop = droppable(form, statement, request);
    return add.length + drop.length === 0 ? [] : editNames(form.text, statement, { add, drop, width });
  });
  const homeless = homes.filter(({ home }) => home === undefined);
  const inserted = [...new Set(homeless.map(({ module }) => module))].map((module) => {
    const names = homeless.filter((item) => item.module === module).map(({ name }) => name);
    return insertStatement(form, early, module, `from ${module} import ${names.join(", ")}`);
  });
  const whole = modules.map(({ module, local = module }) =>
    insertStatement(form, early, module, `import ${module}${local === module ? "" : ` as ${local}`}`),
  );
  const added = [
    ...inserted,
    ...whole,
    ...idle.map((span) => ({ span: withBlankLine(span, form.text), text: "" })),
  ];
  const kept = edited.map((edit) => withoutGap(edit, added, form.text));
  return [...kept, ...added].sort((a, b) => a.span.start - b.span.start || a.span.end - b.span.end);
}

/** Whether the file begins with the import of the guard's name, whose going would leave a blank line there. */
function isFirst({ text }: FileForm): boolean {
  return /^from[ \t]+typing[ \t]+import[ \t]+TYPE_CHECKING[ \t]*$/m.exec(text)?.index === 0;
}

/** One of two blank lines that would meet goes too. */
function withBlankLine({ start, end }: Span, text: string): Span {
  const isAfterBlank = /(?:^|\n|\r)[ \t]*(?:\r\n|\n|\r)$/.test(text.slice(0, start));
  const gap = /^[ \t]*(?:\r\n|\n|\r)/.exec(text.slice(end))?.[0].length ?? 0;
  return { start, end: isAfterBlank ? end + gap : end };
}

/** A statement that goes while another one comes to its place leaves the blank line behind it. */
function withoutGap(edit: TextEdit, added: readonly TextEdit[], text: string): TextEdit {
  const { start, end } = edit.span;
  const isReplaced = added.some(({ span }) => start <= span.start && span.start <= end);
  const gap = /(?:\r\n|\n|\r)([ \t]*(?:\r\n|\n|\r))$/.exec(text.slice(start, end))?.[1];
  if (edit.text !== "" || !isReplaced || gap === undefined) return edit;
  return { ...edit, span: { start, end: end - gap.length } };
}

/** Under the wanted name: code that is written in calls it so, whatever alias the file has besides. */
function isImported(
  statements: readonly ImportStatement[],
  { module, name, local = name, kind }: AddedImport,
): boolean {
  if (kind === "module") {
    return statements.some(
      (one) => one.kind === "import" && one.names.some((known) => known.local === local),
    );
  }
  const isIt = (one: ImportedName) => one.imported === name && one.local === local;
  return statements.some((statement) => takes(statement, module) && statement.names.some(isIt));
}

/** Whether names of `module` can be added to the statement. */
function takes({ kind, module, names }: ImportStatement, wanted: string): boolean {
  return kind === "from" && module === wanted && names.every(({ imported }) => imported !== "*");
}

/** The names of a statement that were asked to go and that nothing needs any more. */
function droppable(
  form: FileForm,
  statement: ImportStatement,
  { drop, removed }: ImportRequest,
): readonly ImportedName[] {
  // A package's `__init__` imports for others, and so does a line that tells the linter to leave it.
  if (/(?:^|\/)__init__\.pyi?$/.test(form.path)) return [];
  return statement.names.filter(
    ({ local, span }) =>
      drop.includes(local) &&
      !/#\s*(?:noqa|isort:\s*skip)/i.test(lineOf(form.text, span)) &&
      mentionsLeft(form, local, [statement.span, ...removed]).length === 0,
  );
}

function mentionsLeft(form: FileForm, local: string, gone: readonly Span[]): readonly Span[] {
  // `import a.b` binds `a`.
  const bound = local.split(".")[0] ?? local;
  const mentions = form.mentions.get(bound) ?? [];
  const other = [...gone, ...modulePaths(form)];
  return mentions.filter(({ start, end }) => !other.some((span) => span.start <= start && end <= span.end));
}

/** `a.b` of each `from a.b import c`: names of modules, which are found whether this file knows them or not. */
function modulePaths({ imports, text }: FileForm): readonly Span[] {
  const isFrom = ({ span }: ImportForm) => text.startsWith("from", span.start);
  return imports
    .filter(isFrom)
    .map(({ span, names }) => ({ start: span.start, end: names[0]?.span.start ?? span.end }));
}

function lineOf(text: string, { start, end }: Span): string {
  return text.slice(lineStart(text, start), lineEnd(text, end));
}

/** The longest line among the imports as they are, and 79 for a file with short ones. */
function widthOf(text: string, statements: readonly ImportStatement[]): number {
  const lines = statements.flatMap(({ span }) => text.slice(span.start, span.end).split(/[\r\n]+/));
  return Math.min(120, Math.max(79, ...lines.map((line) => line.length)));
}
