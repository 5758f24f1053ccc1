import type { FilesMentioning } from "../files/mention-index.ts";
import type { Span } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import { within } from "../form/traversal.ts";
import type { PairCall, Traced } from "../match/match.ts";
import { Refusal } from "../match/reasons.ts";
import type { Project } from "../project/project.ts";
import { mentionsOf } from "./mentions.ts";

/**
 * Throws unless nothing but these calls can reach the function, so that it may go: `overridden-method` when a derived class
 * has its own, `other-callers` when anything else names it. A class that neither derives from nor stands above this one
 * may have a method of the same name.
 */
export function proveDeletable(
  { at }: { readonly at: Traced },
  calls: readonly PairCall[],
  project: Project,
  filesMentioning: FilesMentioning,
): void {
  const { form, fn } = at;
  if (fn.visibility === "exported")
    throw new Refusal("other-callers", `${fn.symbol} is exported, and others may call it`);
  const known = [fn.nameSpan, ...calls.map(({ call }) => call.callee.span)];
  const owner = ownerOf(fn, form);
  const home = owner && { owner, form };
  const isHidden = fn.visibility === "private" && (fn.owner === undefined || form.language !== "python");
  const paths = isHidden ? [form.path] : [...new Set([form.path, ...filesMentioning(fn.name)])];
  for (const path of paths) {
    const other = path === form.path ? form : project.form(path);
    if (other === undefined)
      throw new Refusal("other-callers", `${path} mentions ${fn.name} and could not be read`);
    for (const { span, around } of mentionsOf(fn.name, other, home, project)) {
      if (other === form && known.some((one) => within(span, one))) continue;
      if (
        around !== undefined &&
        around !== owner &&
        around.methods.some(({ nameSpan }) => within(span, nameSpan))
      ) {
        throw new Refusal("overridden-method", `${around.name} in ${path} has its own ${fn.name}`);
      }
      throw new Refusal(
        "other-callers",
        `${fn.name} is named in ${path} by something that could not be rewritten`,
      );
    }
    if (
      textsNaming(fn.name, other.text).some(
        (span) => other !== form || !known.some((one) => within(span, one)),
      )
    )
      throw new Refusal(
        "other-callers",
        `${fn.name} is named in ${path} by a text, by which it may be called`,
      );
  }
  if (calls.length === 0) throw new Refusal("other-callers", `nothing in reach calls ${fn.symbol}`);
}

/** Texts in the code that are the name, or end with it behind a dot: `getattr(self, "_norm")`. */
function textsNaming(name: string, text: string): readonly Span[] {
  if (!text.includes(`${name}"`) && !text.includes(`${name}'`)) return [];
  const plain = name.replace(/[$]/g, "\\$&");
  return [...text.matchAll(new RegExp(`(["'])(?:[\\w$.]*\\.)?${plain}\\1`, "g"))].map((found) => ({
    start: found.index,
    end: found.index + found[0].length,
  }));
}
