import { execFileSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { UsageError } from "../failures/usage-error.ts";

/** The work tree around a path, or undefined outside of one. */
export function gitRoot(path: string): string | undefined {
  try {
    return git(folderOf(path), ["rev-parse", "--show-toplevel"]).replace(/\r?\n$/, "");
  } catch {
    return undefined;
  }
}

/** How many files git shows as changed or untracked in the work trees of these paths. Throws when git cannot say. */
export function dirtyFiles(paths: readonly string[]): number {
  const lists = rootsOf(paths).map((root) => git(root, ["status", "--porcelain", "-z", "--no-renames"]));
  return lists.reduce((sum, list) => sum + list.split("\0").filter(Boolean).length, 0);
}

/** Absolute paths of files that differ from a revision, new ones included. */
export function changedSince(revision: string, paths: readonly string[]): ReadonlySet<string> {
  const roots = rootsOf(paths);
  if (roots.length === 0) throw new UsageError(`--since needs a git repository around ${paths[0]}`);
  return new Set(roots.flatMap((root) => changedIn(root, revision)));
}

function changedIn(root: string, revision: string): readonly string[] {
  try {
    const changed = git(root, [
      "diff",
      "--name-only",
      "-z",
      "--no-renames",
      "--end-of-options",
      revision,
      "--",
    ]);
    const added = git(root, ["ls-files", "--others", "--exclude-standard", "-z"]);
    return `${changed}${added}`
      .split("\0")
      .filter(Boolean)
      .map((name) => resolve(root, name));
  } catch (cause) {
    throw new UsageError(`git knows no revision \`${revision}\``, { cause });
  }
}

/**
 * What git ignores in a work tree, relative to its root; a folder ends with a slash and stands for all it holds.
 * Undefined when git cannot be asked.
 */
export function ignoredInTree(root: string): ReadonlySet<string> | undefined {
  const args = ["ls-files", "--others", "--ignored", "--exclude-standard", "--directory", "-z"];
  try {
    return new Set(git(root, args).split("\0").filter(Boolean));
  } catch {
    return undefined;
  }
}

/** Whether the file has a git attribute; not outside of a work tree, and not when git cannot be asked. */
export function hasAttribute(folder: string, name: string, attribute: string): boolean {
  try {
    const [, , value] = git(folder, ["check-attr", "-z", attribute, "--", name]).split("\0");
    return value === "set" || value === "true";
  } catch {
    return false;
  }
}

function rootsOf(paths: readonly string[]): readonly string[] {
  return [...new Set(paths.flatMap((path) => gitRoot(path) ?? unreadableTree(path)))];
}

/** Nothing outside of a work tree. One that git does not answer for must not pass for a clean one. */
function unreadableTree(path: string): readonly string[] {
  for (let folder = resolve(folderOf(path)); ; folder = dirname(folder)) {
    if (existsSync(join(folder, ".git"))) {
      const why = "git is missing or does not trust the folder";
      throw new UsageError(`git does not answer for the repository at ${folder}: ${why}`);
    }
    if (dirname(folder) === folder) return [];
  }
}

function folderOf(path: string): string {
  try {
    return statSync(path).isDirectory() ? path : dirname(path);
  } catch {
    return dirname(path);
  }
}

function git(folder: string, args: readonly string[]): string {
  return execFileSync("git", ["-C", folder, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });
}
