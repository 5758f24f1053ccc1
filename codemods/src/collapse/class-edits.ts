import type { Expr, FileForm, Span, Step } from "../form/form.ts";
import { styleOf } from "../languages/layout.ts";
import type { Project } from "../project/project.ts";
import { isBlankLineAt, lineStart, nextLine, type TextEdit, wholeLines } from "../text/text-edits.ts";
import type { ClassCopy } from "./class-copy.ts";
import { isListed } from "./class-home.ts";

/** The edits that take a class out of a file and import it from where it stays. Importers of the file still find it there. */
export function importInstead(copy: ClassCopy, home: ClassCopy, project: Project): readonly TextEdit[] {
  const { form, cls } = copy;
  const module = project.importPath(home.form.path, form);
  const isReexported = form.language !== "python" && cls.exported && !isListed(copy, project);
  const whole = withComments(cls.span, form);
  const own = isReexported ? whole : withBlankLines(whole, form.text);
  const removed = [own, ...orphansOf(own, form)];
  const uses = project
    .usesOf(form, cls.name)
    .filter(({ kind, span }) => kind !== "declaration" && !isIn(span, cls.span));
  // Python's importers find a name wherever it is imported; those of a script need it to be exported again.
  const isNeeded = uses.length > 0 || form.language === "python";
  const isType = form.language !== "python" && !isReexported && uses.every(({ kind }) => kind === "type");
  const added = { module, name: cls.name, ...(isType && { kind: "type" as const }) };
  const drop = [...form.mentions].flatMap(([name, spans]) =>
    spans.some((span) => removed.some((one) => isIn(span, one))) ? [name] : [],
  );
  return [
    ...removed.map((span) => ({
      span,
      text: span === own && isReexported ? reexport(form, cls.name, isNeeded ? undefined : module) : "",
    })),
    ...project.frontEnd(form.language)!.editImports(form, { add: isNeeded ? [added] : [], drop, removed }),
  ];
}

function reexport(form: FileForm, name: string, module: string | undefined): string {
  const quote = form.imports.some(({ span }) => /'[^']*'\)?;?$/.test(form.text.slice(span.start, span.end)))
    ? "'"
    : '"';
  const from = module === undefined ? "" : ` from ${quote}${module}${quote}`;
  return `export { ${name} }${from}${styleOf(form).semicolon ? ";" : ""}`;
}

/** The edit that makes the class that stays visible to other files. */
export function exportIt({ cls }: ClassCopy): TextEdit {
  return { span: { start: cls.span.start, end: cls.span.start }, text: "export " };
}

/**
 * Functions and constants of a script that nothing but the removed class named: they are not exported, and doing without them has no
 * effect. Whether another module of Python imports one of its names is not known here, so there all stay.
 */
function orphansOf(removed: Span, form: FileForm): readonly Span[] {
  if (form.language === "python") return [];
  const functions = form.functions.filter(({ visibility }) => visibility === "private");
  const constants = form.module.body.flatMap((step) => {
    const isPlain = step.kind === "assign" && step.declares === "const" && step.target.kind === "name";
    const isExported = form.text.startsWith("export", step.span.start);
    return isPlain && !isExported && isPure(step.value) ? [{ name: nameOf(step), span: step.span }] : [];
  });
  const gone: Span[] = [removed];
  for (let before = 0; before < gone.length; ) {
    before = gone.length;
    for (const { name, span } of [...functions, ...constants]) {
      const whole = withBlankLines(withComments(span, form), form.text);
      if (gone.some((one) => isIn(span, one))) continue;
      const mentions = form.mentions.get(name) ?? [];
      if (
        mentions.some((one) => gone.some((other) => isIn(one, other))) &&
        mentions.every((one) => [...gone, span].some((other) => isIn(one, other)))
      )
        gone.push(whole);
    }
  }
  return gone.slice(1);
}

function nameOf(step: Extract<Step, { kind: "assign" }>): string {
  return step.target.kind === "name" ? step.target.name : "";
}

function isPure(value: Expr): boolean {
  if (value.kind === "literal" || value.kind === "name" || value.kind === "closure") return true;
  if (value.kind === "operation") return value.operands.every(isPure);
  return value.kind === "tuple" && value.items.every(isPure);
}

/** With the comments that touch it from above. */
function withComments(span: Span, { text, comments }: FileForm): Span {
  let { start } = span;
  for (const comment of [...comments].reverse()) {
    const between = text.slice(comment.span.end, start);
    if (comment.span.end > start || !/^[ \t]*(?:\r\n|\n|\r)?[ \t]*$/.test(between)) continue;
    if (text.slice(lineStart(text, comment.span.start), comment.span.start).trim() !== "") break;
    start = comment.span.start;
  }
  return { start, end: span.end };
}

/** With the blank lines below it, or at the end of the file with those above. */
function withBlankLines(span: Span, text: string): Span {
  let { start, end } = wholeLines(text, span);
  while (isBlankLineAt(text, end)) end = nextLine(text, end);
  if (end < text.length) return { start, end };
  while (start > 0 && isBlankLineAt(text, start - 1)) start = lineStart(text, start - 1);
  return { start, end };
}

function isIn(span: Span, outer: Span): boolean {
  return outer.start <= span.start && span.end <= outer.end;
}
