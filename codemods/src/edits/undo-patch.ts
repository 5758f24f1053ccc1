import { appendFile, mkdir, rm, truncate, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { describeFailure } from "../failures/failure.ts";
import { UsageError } from "../failures/usage-error.ts";
import type { FileResult } from "../run/run.ts";
import { reversePatchOf } from "./patch.ts";

const folderName = ".qknorm-codemod";

/**
 * The patch that takes a run back, written while the run goes on. It lies in `.qknorm-codemod/`, a folder that ignores itself,
 * so that git does not show it and the next run does not find the tree dirty.
 */
export class UndoPatch {
  readonly #folder: string;
  readonly #path: string;
  #files = 0;
  #bytes = 0;

  private constructor(folder: string, path: string) {
    this.#folder = folder;
    this.#path = path;
  }

  /** Makes an empty patch whose names are relative to `folder`. Throws `UsageError` when it cannot be written. */
  static async begin(folder: string, now: Date = new Date()): Promise<UndoPatch> {
    const home = join(folder, folderName);
    try {
      await mkdir(home, { recursive: true });
      await writeFile(join(home, ".gitignore"), "*\n");
      return new UndoPatch(folder, await emptyFile(home, now));
    } catch (cause) {
      throw new UsageError(
        `no undo patch can be kept in ${home}: ${describeFailure(cause)}; nothing was written`,
        {
          cause,
        },
      );
    }
  }

  /**
   * Runs `replace`, which puts a file's new text in place, once the old one is kept: a disk that is full by then leaves the file as it
   * was. Where either fails the patch is as long as before, for which no room is needed.
   */
  async around(file: FileResult, replace: () => Promise<void>): Promise<void> {
    const entry = Buffer.from(reversePatchOf(file, this.#folder));
    try {
      await appendFile(this.#path, entry, { flush: true });
      await replace();
    } catch (error) {
      await truncate(this.#path, this.#bytes);
      throw error;
    }
    this.#bytes += entry.length;
    this.#files += 1;
  }

  /** The command that takes the run back; undefined, and no file, when nothing was added. */
  async end(): Promise<string | undefined> {
    if (this.#files === 0) {
      await rm(this.#path);
      return undefined;
    }
    const isHere = this.#folder === process.cwd();
    const command = isHere ? "git" : `git -C ${quoted(this.#folder)}`;
    return `${command} apply --whitespace=nowarn ${quoted(relative(this.#folder, this.#path))}`;
  }
}

/** Two runs may begin in the same second. */
async function emptyFile(home: string, now: Date): Promise<string> {
  const time = now.toISOString().slice(0, 19).replace(/[-:]/g, "");
  for (let count = 1; ; count++) {
    const path = join(home, `undo-${time}${count === 1 ? "" : `-${count}`}.patch`);
    try {
      await writeFile(path, "", { flag: "wx" });
      return path;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

function quoted(path: string): string {
  return /^[\w./@%+=:,-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
