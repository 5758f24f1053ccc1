import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { gitRoot } from "./git.ts";
import { extensions } from "./source-files.ts";

/** Paths of all files in reach whose text holds a word. */
export type FilesMentioning = (word: string) => readonly string[];

/** Which files hold a word, in the whole repository around `roots`: callers may be where nobody asked to look. */
export function mentionIndex(roots: readonly string[], scanned: readonly string[]): FilesMentioning {
  const known = new Map<string, readonly string[]>();
  let near: ReadonlySet<string> | undefined;
  return (word) => {
    let found = known.get(word);
    if (found === undefined) {
      near ??= new Set(scanned.map((path) => resolve(path)));
      const elsewhere = roots
        .flatMap((path) => grep(word, path))
        .filter((path) => !near!.has(path))
        .map((path) => relative(".", path) || path);
      found = [...scanned.filter((path) => holds(path, word)), ...elsewhere];
      known.set(word, found);
    }
    return found;
  };
}

/** Absolute paths of source files in the git repository of `path` that hold the word; none outside of a repository. */
function grep(word: string, path: string): readonly string[] {
  const root = gitRoot(path);
  if (root === undefined) return [];
  const patterns = extensions.map((extension) => `*${extension}`);
  const args = ["-C", root, "grep", "-lzwF", "--untracked", "-e", word, "--", ...patterns];
  try {
    const list = execFileSync("git", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1 << 28,
    });
    return list
      .split("\0")
      .filter(Boolean)
      .map((name) => resolve(root, name));
  } catch {
    return []; // git's way to say that no file holds it
  }
}

function holds(path: string, word: string): boolean {
  try {
    return readFileSync(path).includes(word);
  } catch {
    return false;
  }
}
