import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import { nameIn, patchFolder } from "../files/folders.ts";
import type { FileResult } from "../run/run.ts";

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
