import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import ignore, { type Ignore } from "ignore";
import { ignoredInTree } from "./git.ts";

/** The rules of one `.gitignore`, for paths below `folder`. */
interface RuleFile {
  readonly folder: string;
  readonly rules: Ignore;
}

/** What holds inside one folder: git's own answer, or the rule files that count there, outermost first. */
type FolderRules = { readonly root: string; readonly ignored: ReadonlySet<string> } | readonly RuleFile[];

/**
 * What `.gitignore` files leave out. Inside a git work tree git itself is asked, once for each tree, so that its own
 * excludes and files that are tracked all the same count as they do there. Outside of one the files are read
 * as git would read them, from the current folder or the path that was named downwards.
 */
export class IgnoreRules {
  readonly #tops: ReadonlySet<string>;
  readonly #known = new Map<string, FolderRules>();

  constructor(paths: readonly string[]) {
    this.#tops = new Set([".", ...paths].map((path) => resolve(path)));
  }

  /** Asked from the outermost folder inwards: what lies in an ignored folder is ignored with it. */
  ignoresFile(path: string): boolean {
    return this.#ignores(resolve(path), "");
  }

  ignoresFolder(path: string): boolean {
    return this.#ignores(resolve(path), "/");
  }

  #ignores(path: string, end: "" | "/"): boolean {
    const rules = this.#rulesIn(dirname(path));
    if ("root" in rules) return rules.ignored.has(slashed(relative(rules.root, path)) + end);
    let isIgnored = false;
    for (const { folder, rules: file } of rules) {
      const { ignored, unignored } = file.test(slashed(relative(folder, path)) + end);
      if (ignored || unignored) isIgnored = ignored;
    }
    return isIgnored;
  }

  #rulesIn(folder: string): FolderRules {
    let known = this.#known.get(folder);
    if (known === undefined) {
      known = this.#readRules(folder);
      this.#known.set(folder, known);
    }
    return known;
  }

  #readRules(folder: string): FolderRules {
    if (existsSync(join(folder, ".git"))) {
      const ignored = ignoredInTree(folder);
      if (ignored !== undefined) return { root: folder, ignored };
      return ruleFileIn(folder); // git cannot be asked: it is missing, or does not trust the folder
    }
    const parent = dirname(folder);
    const above = parent === folder ? [] : this.#rulesIn(parent);
    if ("root" in above) return above;
    const isAboveTops = ![...this.#tops].some((top) => folder === top || folder.startsWith(top + sep));
    return isAboveTops ? above : [...above, ...ruleFileIn(folder)];
  }
}

function ruleFileIn(folder: string): readonly RuleFile[] {
  try {
    const text = readFileSync(join(folder, ".gitignore"), "utf8");
    return [{ folder, rules: ignore({ ignorecase: false }).add(text) }];
  } catch {
    return []; // the usual case: there is none
  }
}

function slashed(path: string): string {
  return path.split(sep).join("/");
}
