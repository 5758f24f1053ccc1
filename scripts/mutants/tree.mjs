// A copy of the working tree in which faults are planted, outside of it: its ignore rules would hide a copy from the tests that ask git.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { root } from "../setup.mjs";

/** One for each set of arguments, so that two may run beside each other. */
export const tree = join(
  tmpdir(),
  `qknorm-mutants-${createHash("sha256")
    .update([root, ...process.argv.slice(2)].join("\0"))
    .digest("hex")
    .slice(0, 12)}`,
);
/** Files that git tracks or would add. */
export const files = gitLines(["ls-files", "--cached", "--others", "--exclude-standard"]).filter((name) =>
  existsSync(join(root, name)),
);

const sources = new Map();

export function gitLines(args) {
  return spawnSync("git", args, { cwd: root, encoding: "utf8" })
    .stdout.split("\n")
    .filter((line) => line !== "");
}

/** The text of a file when it was first asked for: who edits on while faults are judged does not change them. */
export function sourceOf(file) {
  let text = sources.get(file);
  if (text === undefined) {
    text = readFileSync(join(root, file), "utf8");
    sources.set(file, text);
  }
  return text;
}

export function plant(file, text) {
  writeFileSync(join(tree, file), text);
}

/** Makes the copy what the working tree is; links of the workspace lead to the copy's own packages. */
export function copyTree() {
  for (const file of files) {
    const to = join(tree, file);
    mkdirSync(dirname(to), { recursive: true });
    const bytes = readFileSync(join(root, file));
    if (!existsSync(to) || !readFileSync(to).equals(bytes)) writeFileSync(to, bytes);
  }
  for (const folder of ["", ...packages()]) {
    const to = join(tree, folder, "node_modules");
    if (existsSync(to)) continue;
    // Packages of this tree are linked by relative paths, which lead to the copy's own.
    if (folder === "") symlinkSync(join(root, "node_modules"), to);
    else spawnSync("cp", ["-a", join(root, folder, "node_modules"), to]);
  }
  mkdirSync(join(tree, "native/build/Release"), { recursive: true });
  spawnSync("cp", [join(root, "native/build/Release/qknorm.node"), join(tree, "native/build/Release/")]);
}

function packages() {
  const folders = ["native", "codemods", ...["packages", "examples"].flatMap(below)];
  return folders.filter((folder) => existsSync(join(root, folder, "node_modules")));
}

function below(folder) {
  return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
}
