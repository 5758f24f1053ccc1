import { isAbsolute, normalize, relative, resolve, sep } from "node:path";
import ignore, { type Ignore } from "ignore";
import { changedSince } from "./git.ts";
import { IgnoreRules } from "./ignore-rules.ts";
import type { SourceFilter } from "./source-files.ts";

export interface FilterOptions {
  readonly paths: readonly string[];
  /** Globs in the syntax of `.gitignore`, relative to the current folder or to a path that was named. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** A git revision that files must differ from. */
  readonly since: string | undefined;
}

/** Which files a run looks at. A file that was named is looked at even if git ignores it. */
export function fileFilter({ paths, include, exclude, since }: FilterOptions): SourceFilter {
  const rules = new IgnoreRules(paths);
  const named = new Set(paths.map((path) => resolve(path)));
  const changed = since === undefined ? undefined : changedSince(since, paths);
  const wanted = include.length > 0 ? globs(include, paths) : undefined;
  const unwanted = globs(exclude, paths);
  return {
    enters: (folder) => !rules.ignoresFolder(folder) && !unwanted(`${folder}/`),
    accepts: (path) =>
      (named.has(resolve(path)) || !rules.ignoresFile(path)) &&
      changed?.has(resolve(path)) !== false &&
      wanted?.(path) !== false &&
      !unwanted(path),
  };
}

function globs(patterns: readonly string[], paths: readonly string[]): (path: string) => boolean {
  const rules: Ignore = ignore({ ignorecase: false }).add([...patterns]);
  const bases = [...new Set([".", ...paths].map((path) => resolve(path)))];
  return (path) => {
    if (patterns.length === 0) return false;
    const end = path.endsWith("/") ? "/" : "";
    return bases.some((base) => {
      const name = relative(base, resolve(normalize(path)));
      const isBelow = name !== "" && !isAbsolute(name) && name !== ".." && !name.startsWith(`..${sep}`);
      return isBelow && rules.ignores(name.split(sep).join("/") + end);
    });
  };
}
