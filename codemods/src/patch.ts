import { dirname, relative, resolve, sep } from "node:path";
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import { gitRoot } from "./git.ts";
import type { FileResult } from "./run.ts";

/** A patch of all changes that `git apply` takes in the folder that its names are relative to; see `patchFolder`. */
export function patchOf(files: readonly FileResult[]): string {
  const folder = patchFolder(files);
  return files.map((file) => filePatch(file, nameIn(folder, file))).join("");
}

/** The patch that takes one file back to the bytes it had. */
export function reversePatchOf(file: FileResult, folder: string): string {
  const { before, after, byteOrderMark, helper } = file;
  if (after === undefined) return "";
  const name = nameIn(folder, file);
  const mark = byteOrderMark ? "\uFEFF" : "";
  return unified([`a/${name}`, mark + after], [helper === "new" ? nowhere : `b/${name}`, mark + before]);
}

/** The change of one file under a name of the caller's choice; empty when it stays as it is. */
export function filePatch({ before, after, byteOrderMark, helper }: FileResult, name: string): string {
  if (after === undefined) return "";
  const mark = byteOrderMark ? "\uFEFF" : "";
  return unified([helper === "new" ? nowhere : `a/${name}`, mark + before], [`b/${name}`, mark + after]);
}

/** What git calls the other side of a file that is created or deleted. */
const nowhere = "/dev/null";

function unified([from, before]: readonly [string, string], [to, after]: readonly [string, string]): string {
  const style = { context: 3, headerOptions: FILE_HEADERS_ONLY };
  return createTwoFilesPatch(from, to, before, after, undefined, undefined, style);
}

/** The current folder when it holds all files, else the git repository that does, else the folder that they share. */
export function patchFolder(files: readonly Pick<FileResult, "path">[]): string {
  const folders = files.map(({ path }) => dirname(resolve(path)));
  const [first] = folders;
  const holdsAll = (folder: string | undefined): folder is string =>
    folder !== undefined && folders.every((one) => one === folder || one.startsWith(withEnd(folder)));
  if (first === undefined || holdsAll(process.cwd())) return process.cwd();
  const root = gitRoot(first);
  if (holdsAll(root)) return root;
  let shared = first;
  while (!holdsAll(shared)) shared = dirname(shared);
  return shared;
}

function withEnd(folder: string): string {
  return folder.endsWith(sep) ? folder : folder + sep;
}

function nameIn(folder: string, { path }: FileResult): string {
  return relative(folder, resolve(path)).split(sep).join("/");
}
