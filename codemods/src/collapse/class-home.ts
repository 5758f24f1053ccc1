import { resolve } from "node:path";
import { loadedWith } from "../emit/import-reach.ts";
import type { Project } from "../project/project.ts";
import type { ClassCopy } from "./class-copy.ts";

/**
 * The copy that stays: one that all other files can import because it loads none of them. Of several the one that is exported
 * already, then the one whose file loads the least.
 */
export function chooseHome(copies: readonly ClassCopy[], project: Project): ClassCopy | undefined {
  const all = copies.map((copy) => ({ copy, loads: loadedWith(copy.form.path, project) }));
  const paths = copies.map(({ form }) => resolve(form.path));
  const free = all.filter(({ loads }) => !paths.some((path) => loads.has(path)));
  const rank = ({ copy, loads }: (typeof all)[number]) => (isExported(copy, project) ? 0 : 1e6) + loads.size;
  return free.sort((a, b) => rank(a) - rank(b))[0]?.copy;
}

export function isExported({ form, cls }: ClassCopy, project: Project): boolean {
  return form.language === "python" || cls.exported || isListed({ form, cls }, project);
}

/** `export { RmsNorm }`, apart from the class. */
export function isListed({ form, cls }: ClassCopy, project: Project): boolean {
  return project.usesOf(form, cls.name).some(({ kind }) => kind === "export");
}
