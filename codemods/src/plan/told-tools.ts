import type { FileForm, FunctionForm, Span } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import { Refusal } from "../match/reasons.ts";
import { isDirective, isRangeDirective, linesWithComments } from "../text/directives.ts";

/**
 * Throws `comment-inside` when a comment on the lines of these statements, or directly above, tells a linter or type checker something: in
 * another line, or beside other code, it would say it of the wrong thing.
 */
export function refuseDirectives(statements: readonly Span[], form: FileForm): void {
  const lines = statements.map((span) => linesWithComments(span, form.text));
  refuseAny(form, lines, isDirective);
}

/** The same for a function that goes, with which the comments about itself go, but not those about what follows. */
export function refuseRangeDirectives({ span }: FunctionForm, form: FileForm): void {
  refuseAny(form, [span], isRangeDirective);
}

function refuseAny(form: FileForm, around: readonly Span[], tells: (comment: string) => boolean): void {
  const { text, comments } = form;
  for (const { span } of comments) {
    const comment = text.slice(span.start, span.end);
    if (!tells(comment) || !around.some((one) => within(span, one))) continue;
    throw new Refusal("comment-inside", `\`${comment}\` speaks of code that would go or change its line`);
  }
}
