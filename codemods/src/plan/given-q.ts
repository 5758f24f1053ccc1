import type { Step } from "../form/form.ts";
import type { LanguageFrontEnd } from "../languages/front-end.ts";
import { styleOf } from "../languages/layout.ts";
import type { InlineMatch } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { Profile } from "../profiles/profile.ts";
import { indentAt, lineStart, type TextEdit } from "../text/text-edits.ts";
import { freshName } from "./fresh-name.ts";
import { headDimText, lastAxisOf, namedHeadDim } from "./head-dim.ts";
import { needsHeadDim } from "./helper-use.ts";
import type { Scope } from "./render.ts";

/** What the helper is given for q, and how its heads are called. */
export interface GivenQ {
  /** q as the call's argument. */
  readonly q: string;
  readonly headDim?: string;
  /** A variable that q has to be put into before the call. */
  readonly opening?: { readonly name: string; readonly value: string };
}

/** The head dim by its name; without one the last axis of q, where q's norm is given q as the helper is, cut into heads. */
export function withHeadDim(match: InlineMatch, q: string, scope: Scope, profile: Profile): GivenQ {
  if (!needsHeadDim(profile)) return { q };
  const { sizeName } = match.facts.q;
  const known = { ...match, ...(sizeName !== undefined && { sizeName }) };
  const named = namedHeadDim(known, scope);
  if (named !== undefined) return { q, headDim: named };
  const { language, mentions } = scope.form;
  if (match.q.event.value.of !== match.q.input) return { q, headDim: headDimText(known, scope) };
  if (/^[\p{L}_$][\p{L}\d_$]*$/u.test(q)) return { q, headDim: lastAxisOf(q, language) };
  const name = freshName(language === "python" ? "q_heads" : "qHeads", mentions);
  return { q: name, headDim: lastAxisOf(name, language), opening: { name, value: q } };
}

/** With a statement above the call that gives q's variable its value. */
export function withOpening(
  opening: GivenQ["opening"],
  edits: readonly TextEdit[],
  { span: { start } }: Step,
  { at: { form } }: InlineMatch,
  frontEnd: LanguageFrontEnd,
): readonly TextEdit[] {
  if (opening === undefined) return edits;
  const { text } = form;
  if (text.slice(lineStart(text, start), start).trim() !== "")
    throw new Refusal("ambiguous", "the head dim has no name here that the call could use");
  const { lineEnd, semicolon } = styleOf(form);
  const line = frontEnd.writeVariable({ ...opening, semicolon });
  const above = `${line}${lineEnd}${indentAt(text, start)}`;
  const first = edits.find(({ span, text: added }) => span.start === start && added !== "");
  if (first === undefined) return [...edits, { span: { start, end: start }, text: above }];
  return edits.map((edit) => (edit === first ? { ...edit, text: above + edit.text } : edit));
}
