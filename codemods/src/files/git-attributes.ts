import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { hasAttribute } from "./git.ts";

const attribute = "linguist-generated";

/** Whether a `.gitattributes` says that a program writes the file: what GitHub folds in a diff for the same reason. */
export function isMarkedGenerated(path: string): boolean {
  const folder = dirname(resolve(path));
  return isNamedAbove(folder) && hasAttribute(folder, basename(path), attribute);
}

// A process for each file with a finding would take longer than the rest of a run, and few repositories name the attribute.
const namedAbove = new Map<string, boolean>();

function isNamedAbove(folder: string): boolean {
  let known = namedAbove.get(folder);
  if (known === undefined) {
    const isTop = existsSync(join(folder, ".git")) || dirname(folder) === folder;
    known = isNamedIn(join(folder, ".gitattributes")) || (!isTop && isNamedAbove(dirname(folder)));
    namedAbove.set(folder, known);
  }
  return known;
}

function isNamedIn(path: string): boolean {
  try {
    return readFileSync(path, "utf8").includes(attribute);
  } catch {
    return false; // the usual case: there is none
  }
}
