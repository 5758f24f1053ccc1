import { statSync } from "node:fs";
import { join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { shown } from "./shown-value.ts";

/** The path of a file in a model's folder. Throws `ERR_CHECKPOINT` for a folder that is no string, as from an argument left out. */
export function pathIn(dir: string, ...names: readonly string[]): string {
  if (typeof dir === "string") return join(dir, ...names);
  throw new QkNormError("ERR_CHECKPOINT", `the folder of a model must be a string, got ${shown(dir)}`);
}

/** Throws `ERR_CHECKPOINT` unless `dir` is a folder that can be looked into. */
export function requireFolder(dir: string): void {
  const path = pathIn(dir);
  let isFolder: boolean;
  try {
    isFolder = statSync(path).isDirectory();
  } catch (cause) {
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: there is no such folder`, { cause });
  }
  if (!isFolder)
    throw new QkNormError("ERR_CHECKPOINT", `${dir}: is not a folder; give the folder of the model`);
}
