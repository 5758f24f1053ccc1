import { resolve } from "node:path";
import type { Project } from "../project/project.ts";

const mostFiles = 3000;

/** Every file that is loaded when `path` is, by the imports at the top of files; absolute paths, without `path` itself. */
export function loadedWith(path: string, project: Project): ReadonlySet<string> {
  const seen = new Set<string>([resolve(path)]);
  const pending = [path];
  for (let next = pending.pop(); next !== undefined && seen.size < mostFiles; next = pending.pop()) {
    const form = project.form(next);
    for (const { module, names, topLevel, typeOnly } of form?.imports ?? []) {
      if (!topLevel || typeOnly) continue;
      // `from package import name` may load a module of that name.
      const modules = [
        module,
        ...names.map(({ imported }) => `${module}${module.endsWith(".") ? "" : "."}${imported}`),
      ];
      for (const one of modules) {
        const [target] = project.importTargets(one, form!);
        if (target === undefined || seen.has(resolve(target))) continue;
        seen.add(resolve(target));
        pending.push(target);
      }
    }
  }
  seen.delete(resolve(path));
  return seen;
}
