import { statSync } from "node:fs";
import { QkNormError } from "@qknorm/core";

/** Throws `ERR_CHECKPOINT` unless `dir` is a folder that can be looked into. */
export function requireFolder(dir: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(dir).isDirectory();
  } catch (cause) {
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: there is no such folder`, { cause });
  }
  if (!isFolder)
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: is not a folder; give the folder of the model`);
}
