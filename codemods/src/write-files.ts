import { chmod, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { FileResult } from "./run.ts";

/**
 * Writes one rewritten file: beside the old one, then renamed over it, so that nobody ever sees half of it. Keeps its mode
 * and its byte order mark. Throws when the file is not what was read any more.
 */
export async function writeResult({ path, before, after }: FileResult): Promise<void> {
  if (after === undefined) return;
  const text = await readFile(path, "utf8");
  const mark = text.startsWith("\uFEFF") ? "\uFEFF" : "";
  if (text.slice(mark.length) !== before)
    throw new Error("it changed while the run went on, and was left alone");
  const { mode } = await stat(path);
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, mark + after, { flag: "wx" });
    await chmod(temporary, mode);
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
