import { existsSync, statSync } from "node:fs";
import { dirname, extname } from "node:path";

/**
 * What there is on the disk, asked once. An import is looked for in dozens of places, and nearly all of them lie in folders that are not
 * there: of such a folder only the topmost one is remembered.
 */
export class KnownPaths {
  readonly #files = new Map<string, boolean>();
  readonly #folders = new Map<string, boolean>();

  /** Whether a file with an extension is there. */
  isFile(path: string): boolean {
    let known = this.#files.get(path);
    if (known === undefined) {
      if (extname(path) === "" || !this.#isFolder(dirname(path))) return false;
      known = existsSync(path) && statSync(path).isFile();
      this.#files.set(path, known);
    }
    return known;
  }

  #isFolder(path: string): boolean {
    let known = this.#folders.get(path);
    if (known === undefined) {
      const parent = dirname(path);
      if (parent !== path && !this.#isFolder(parent)) return false;
      known = existsSync(path) && statSync(path).isDirectory();
      this.#folders.set(path, known);
    }
    return known;
  }
}
