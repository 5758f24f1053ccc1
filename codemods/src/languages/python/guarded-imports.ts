import type { FileForm, ImportForm, Span } from "../../form/form.ts";
import type { ImportRequest } from "../front-end.ts";
import { indentAt, isBlankLine, lineEnd, lineStart, nextLine } from "./lines.ts";

/**
 * What of the imports under `if TYPE_CHECKING:` has nothing to say once the file imports the names for good: whole lines, with the head of the
 * block where nothing else stands in it. An import of several names stays.
 */
export function idleGuards(form: FileForm, { add }: ImportRequest): readonly Span[] {
  return form.imports
    .filter((one) => one.typeOnly && !one.topLevel && isOneOf(one, add))
    .flatMap((one) => guardAround(form.text, one.span) ?? []);
}

function isOneOf({ module, names }: ImportForm, add: ImportRequest["add"]): boolean {
  const [only, ...more] = names;
  const isAdded = add.some(({ module: from, name, local = name }) => {
    return from === module && only?.imported === name && only.local === local;
  });
  return more.length === 0 && isAdded;
}

/** Undefined where the block has another arm, and needs a statement. */
function guardAround(text: string, { start, end }: Span): Span | undefined {
  const own = { start: lineStart(text, start), end: nextLine(text, end) };
  let head = lineStart(text, own.start - 1);
  while (head > 0 && isSilent(text, head)) head = lineStart(text, head - 1);
  const isHead = /^[ \t]*if[ \t(]*(?:typing\.)?TYPE_CHECKING\b[^:\n]*:[ \t]*(?:#.*)?$/.test(
    text.slice(head, lineEnd(text, head)),
  );
  let next = own.end;
  while (next < text.length && isSilent(text, next)) next = nextLine(text, next);
  const isLast = next >= text.length || indentAt(text, next).length <= indentAt(text, head).length;
  if (!isHead || !isLast) return own;
  const hasArm = /^[ \t]*(?:else|elif)\b/.test(text.slice(next, lineEnd(text, next)));
  return hasArm ? undefined : { start: head, end: own.end };
}

/** Whether the line says nothing to Python. */
function isSilent(text: string, offset: number): boolean {
  return isBlankLine(text, offset) || /^[ \t]*#/.test(text.slice(offset, lineEnd(text, offset)));
}
