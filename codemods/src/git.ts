import { execFileSync } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { UsageError } from "./options.ts";

/** The work tree around a path, or undefined outside of one. */
export function gitRoot(path: string): string | undefined {
  try {
    return git(folderOf(path), ["rev-parse", "--show-toplevel"]).trim();
  } catch {
    return undefined;
  }
}

/** How many files git shows as changed or untracked in the work trees of these paths. */
export function dirtyFiles(paths: readonly string[]): number {
  const roots = new Set(paths.flatMap((path) => gitRoot(path) ?? []));
  const lists = [...roots].map((root) => git(root, ["status", "--porcelain", "-z"]));
  return lists.reduce((sum, list) => sum + list.split("\0").filter(Boolean).length, 0);
}

/** Absolute paths of files that differ from a revision, new ones included. */
export function changedSince(revision: string, path: string): ReadonlySet<string> {
  const root = gitRoot(path);
  if (root === undefined) throw new UsageError(`--since needs a git repository around ${path}`);
  try {
    const changed = git(root, ["diff", "--name-only", "-z", "--end-of-options", revision]);
    const added = git(root, ["ls-files", "--others", "--exclude-standard", "-z"]);
    return new Set(
      `${changed}${added}`
        .split("\0")
        .filter(Boolean)
        .map((name) => resolve(root, name)),
    );
  } catch (cause) {
    throw new UsageError(`git knows no revision \`${revision}\``, { cause });
  }
}

/** Those of the paths that git ignores; none outside of a work tree. */
export function ignoredBy(folder: string, paths: readonly string[]): ReadonlySet<string> {
  if (paths.length === 0 || gitRoot(folder) === undefined) return new Set();
  const absolute = paths.map((path) => resolve(path));
  try {
    const list = git(folderOf(folder), ["check-ignore", "-z", "--stdin"], absolute.join("\0"));
    return new Set(list.split("\0").filter(Boolean));
  } catch {
    return new Set(); // git's way to say that none is ignored
  }
}

function folderOf(path: string): string {
  try {
    return statSync(path).isDirectory() ? path : dirname(path);
  } catch {
    return dirname(path);
  }
}

function git(folder: string, args: readonly string[], input?: string): string {
  return execFileSync("git", ["-C", folder, ...args], {
    encoding: "utf8",
    stdio: [input === undefined ? "ignore" : "pipe", "pipe", "ignore"],
    maxBuffer: 1 << 28,
    ...(input !== undefined && { input }),
  });
}
