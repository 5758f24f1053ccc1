import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { gitRoot } from "./git.ts";
import { extensions } from "./source-files.ts";
import { hashOf, WordFilter } from "./word-filter.ts";

/** Paths of all files in reach whose text holds a word. */
export type FilesMentioning = (word: string) => readonly string[];

/** Which files hold a word, in the whole repository around `roots`: callers may be where nobody asked to look. */
export function mentionIndex(roots: readonly string[], scanned: readonly string[]): FilesMentioning {
  const known = new Map<string, readonly string[]>();
  let filters: readonly (WordFilter | undefined)[] | undefined;
  let outside: readonly string[] | undefined;
  return (word) => {
    let found = known.get(word);
    if (found === undefined) {
      filters ??= scanned.map(filterOf);
      outside ??= rootsWithMore(roots, scanned);
      const near = new Set(outside.length === 0 ? [] : scanned.map((path) => resolve(path)));
      const elsewhere = outside
        .flatMap((root) => grep(word, root))
        .filter((path) => !near.has(path))
        .map((path) => relative(".", path) || path);
      const hash = hashOf(word);
      const inside = scanned.filter((path, i) => filters?.[i]?.mayHold(hash) === true && holds(path, word));
      found = [...inside, ...elsewhere];
      known.set(word, found);
    }
    return found;
  };
}

/** Git repositories around the paths with source files that are not scanned. */
function rootsWithMore(paths: readonly string[], scanned: readonly string[]): readonly string[] {
  const near = new Set(scanned.map((path) => resolve(path)));
  const roots = new Set(paths.flatMap((path) => gitRoot(path) ?? []));
  return [...roots].filter((root) => sourcesIn(root).some((path) => !near.has(path)));
}

/** Absolute paths of the source files in a repository. */
function sourcesIn(root: string): readonly string[] {
  return listed(root, ["ls-files", "-zco", "--exclude-standard", "--", ...patterns]);
}

/** Absolute paths of source files in a repository that hold the word. */
function grep(word: string, root: string): readonly string[] {
  return listed(root, ["grep", "-lzwF", "--untracked", "-e", word, "--", ...patterns]);
}

const patterns = extensions.map((extension) => `*${extension}`);

function listed(root: string, args: readonly string[]): readonly string[] {
  try {
    const list = execFileSync("git", ["-C", root, ...args], {
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

function filterOf(path: string): WordFilter | undefined {
  try {
    return new WordFilter(readFileSync(path));
  } catch {
    return undefined;
  }
}

function holds(path: string, word: string): boolean {
  try {
    return readFileSync(path).includes(word);
  } catch {
    return false;
  }
}
