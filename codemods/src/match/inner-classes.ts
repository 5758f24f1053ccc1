import type { Span } from "../form/form.ts";
import { within } from "../form/traversal.ts";
import type { Traced } from "./match.ts";

/** Whether code of a function belongs to a class that is declared inside: its methods are looked at where they stand. */
export function isOfInnerClass(code: Span, { form, fn }: Traced): boolean {
  return form.classes.some(({ span, nested }) => nested && within(span, fn.span) && within(code, span));
}
