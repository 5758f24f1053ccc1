import type { FileForm, Span, Step } from "../form/form.ts";
import { Refusal } from "../match/reasons.ts";
import { lineEndAt, lineStart, type TextEdit, wholeLines } from "../text/text-edits.ts";

/**
 * Deletes whole statements: with their lines, and one of two blank lines that would then meet; from a line that they share with others
 * without leaving what stood between. Throws `Refusal` for a part of a declaration whose other parts stay.
 */
export function removals(steps: readonly Step[], form: FileForm): readonly TextEdit[] {
  const { text } = form;
  const deleted = runsOf(steps, text).map((run) => {
    const comment = /^[ \t]*(?:\/\/|#)/.test(text.slice(run.end, lineEndAt(text, run.end)));
    const upTo = comment ? lineEndAt(text, run.end) : run.end;
    const span = wholeLines(text, { start: run.start, end: upTo });
    const isPart = span.start === run.start && span.end === upTo && !isAlone(span, text);
    return isPart ? { span: withSeparator(span, form), isPart } : { span, isPart };
  });
  return deleted.map(({ span, isPart }, i) => {
    if (isPart) return { span, text: "" };
    // Lines that follow each other go as one, and have blank lines around them together.
    let first = i;
    while (deleted[first - 1]?.span.end === deleted[first]!.span.start) first -= 1;
    const { start } = deleted[first]!.span;
    // As much as a blank line may have of white space: the whole text before would be gone through for each.
    const isAfterBlank = text
      .slice(Math.max(0, start - widestBlank), start)
      .match(/(?:\r\n|\n|\r)[ \t]*(?:\r\n|\n|\r)$/);
    const isBeforeBlank = /^[ \t]*(?:\r\n|\n|\r)/.exec(text.slice(span.end));
    const extra = isAfterBlank && isBeforeBlank ? isBeforeBlank[0].length : 0;
    return { span: { start: span.start, end: span.end + extra }, text: "" };
  });
}

const widestBlank = 400;

/** Throws when the step is one of several of a declaration, `const a = x, b = y`: no statement can stand there. */
export function refuseDeclarator(step: Step, { text }: FileForm): void {
  if (isDeclarator(step, text))
    throw new Refusal("ambiguous", "the variable is declared in one statement with others");
}

/** Statements that follow each other on a line are one deletion, and so are all parts of a declaration. */
function runsOf(steps: readonly Step[], text: string): readonly Span[] {
  const sorted = [...steps].sort((a, b) => a.span.start - b.span.start);
  const runs: { start: number; end: number; isDeclaration: boolean }[] = [];
  for (const step of sorted) {
    const { start, end } = step.span;
    const last = runs.at(-1);
    const isDeclaration = isDeclarator(step, text);
    const between = last === undefined ? "" : text.slice(last.end, start);
    const isNext = isDeclaration ? /^\s*,\s*$/.test(between) : /^[ \t]*;?[ \t]*$/.test(between);
    if (last !== undefined && isNext && last.isDeclaration === isDeclaration) last.end = end;
    else runs.push({ start, end, isDeclaration });
  }
  return runs.map((run) => (run.isDeclaration ? wholeDeclaration(run, text) : run));
}

function isDeclarator(step: Step, text: string): boolean {
  if (step.kind !== "assign" || step.declares === undefined) return false;
  return !/^(?:export\s+|await\s+)*(?:const|let|var|using)\b/.test(
    text.slice(step.span.start, step.span.end),
  );
}

/** `const a = x, b = y;` from its keyword to its end. */
function wholeDeclaration({ start, end }: Span, text: string): Span {
  const keyword = /\b(?:const|let|var)\s+$/.exec(text.slice(0, start));
  const rest = /^[ \t]*(;|,)?/.exec(text.slice(end));
  if (keyword === null || rest?.[1] === ",")
    throw new Refusal("ambiguous", "a variable is declared in one statement with others that stay");
  return { start: keyword.index, end: end + (rest?.[1] === ";" ? rest[0].length : 0) };
}

function isAlone({ start, end }: Span, text: string): boolean {
  return (
    text.slice(lineStart(text, start), start).trim() === "" &&
    text.slice(end, lineEndAt(text, end)).trim() === ""
  );
}

/** With what stood between it and its neighbours on the line: white space, and at the end of a line of Python a semicolon. */
function withSeparator({ start, end }: Span, { text, language }: FileForm): Span {
  const before = text.slice(lineStart(text, start), start);
  const after = text.slice(end, lineEndAt(text, end));
  if (before.trim() === "") return { start, end: end + /^[ \t]*/.exec(after)![0].length };
  const isLast = language === "python" && /^[ \t]*(?:#|$)/.test(after);
  const separator = (isLast ? /[ \t]*;?[ \t]*$/ : /[ \t]*$/).exec(before)![0];
  return { start: start - separator.length, end };
}

/** A statement without the semicolon that parts it from the next one of its line, which stays (Python). */
export function withoutSemicolon({ start, end }: Span, { text, language }: FileForm): Span {
  return { start, end: language === "python" && text[end - 1] === ";" ? end - 1 : end };
}
