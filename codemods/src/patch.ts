import { createTwoFilesPatch, FILE_HEADERS_ONLY } from "diff";
import type { FileResult } from "./run.ts";

/** A patch of all changes that `git apply` takes, from the folder that the paths are relative to. */
export function patchOf(files: readonly FileResult[]): string {
  return files.map(filePatch).join("");
}

export function filePatch({ path, before, after }: FileResult): string {
  if (after === undefined) return "";
  const name = path.replace(/^\//, "");
  return createTwoFilesPatch(`a/${name}`, `b/${name}`, before, after, undefined, undefined, {
    context: 3,
    headerOptions: FILE_HEADERS_ONLY,
  });
}
