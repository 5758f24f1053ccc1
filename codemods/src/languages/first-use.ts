import type { FileForm } from "../form/form.ts";
import type { ImportRequest } from "./front-end.ts";

/** Where what the other edits change begins: an import has to stand before it. */
export function firstUse({ classes, functions }: FileForm, { removed }: ImportRequest): number {
  const declared = [...classes, ...functions].map(({ span }) => span);
  const starts = removed.map(({ start, end }) => {
    const around = declared.filter((span) => span.start <= start && end <= span.end);
    return Math.min(start, ...around.map((span) => span.start));
  });
  return Math.min(Number.POSITIVE_INFINITY, ...starts);
}
