import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

// An entry: 8 bytes that name the format, the SHA-256 of its name and the cubin, the cubin.
const magic = Buffer.from("QKCUBIN1");
const headBytes = magic.length + 32;
const suffix = ".cubin";

// A write takes milliseconds: what is older was left by a process that was ended.
const staleMilliseconds = 3_600_000;

/** A cubin in a folder, by the key of its kernel and the version of the NVRTC that made it: `<key>-<version>.cubin`. */
export interface CubinName {
  readonly key: string;
  readonly compiler: string;
}

/** What reading found: the cubin, nothing, or something that is no entry. */
export type StoredCubin = Uint8Array | "absent" | "corrupted";

/** The compilers that have left a cubin of a kernel in a folder, newest first. Never throws. */
export function compilersIn(folder: string, key: string): string[] {
  return namesIn(folder)
    .filter((name) => name.startsWith(`${key}-`))
    .map((name) => name.slice(key.length + 1, -suffix.length))
    .sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
}

/** Reads one entry. Never throws: what cannot be read is not there. */
export function readCubin(folder: string, name: CubinName): StoredCubin {
  let entry: Buffer;
  try {
    entry = readFileSync(pathOf(folder, name));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "absent" : "corrupted";
  }
  const cubin = entry.subarray(headBytes);
  const intact =
    entry.subarray(0, magic.length).equals(magic) &&
    entry.subarray(magic.length, headBytes).equals(checksum(name, cubin));
  // A copy of its own: the addon hands it to the driver long after this buffer may have been reused.
  return intact ? new Uint8Array(cubin) : "corrupted";
}

/**
 * Writes one entry so that a reader sees all of it or nothing, whatever happens meanwhile; what writers that were ended
 * have left is taken away. Throws what the file system does, and leaves nothing behind then.
 */
export function writeCubin(folder: string, name: CubinName, cubin: Uint8Array): void {
  const path = pathOf(folder, name);
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString("hex")}.tmp`;
  try {
    writeFileSync(temporary, Buffer.concat([magic, checksum(name, cubin), cubin]), {
      mode: 0o600,
      flag: "wx",
    });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  removeStale(folder, path);
}

/** Takes away what has been half written for an hour, by the clock that dated the entry just written. Never throws. */
function removeStale(folder: string, written: string): void {
  try {
    const now = statSync(written).mtimeMs;
    for (const name of readdirSync(folder)) {
      if (!/\.cubin\.\d+\.[0-9a-f]{8}\.tmp$/.test(name)) continue;
      const path = join(folder, name);
      if (now - statSync(path).mtimeMs > staleMilliseconds) rmSync(path, { force: true });
    }
  } catch {
    // Another process does the same, or may and this one may not.
  }
}

/**
 * Makes the folder, and says why it may not be used; `null` if it may. Code that another user could have put there is
 * never run: the folder must be this user's own, and writable by nobody else.
 */
export function faultOfFolder(folder: string): string | null {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = statSync(folder);
    if (process.getuid !== undefined && uid !== process.getuid()) return "it belongs to another user";
    if ((mode & 0o022) !== 0) return "other users may write to it";
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

export interface FolderUse {
  readonly entries: number;
  readonly bytes: number;
}

/** Counts the entries; none in a folder that cannot be read. */
export function measureFolder(folder: string): FolderUse {
  let entries = 0;
  let bytes = 0;
  for (const name of namesIn(folder)) {
    try {
      bytes += statSync(join(folder, name)).size;
      entries += 1;
    } catch {
      // Gone since.
    }
  }
  return { entries, bytes };
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => name.endsWith(suffix));
  } catch {
    return [];
  }
}

/** Where an entry lies, or would. */
export function pathOf(folder: string, { key, compiler }: CubinName): string {
  return join(folder, `${key}-${compiler}${suffix}`);
}

// The name is in it: an entry under another's name is no entry.
function checksum({ key, compiler }: CubinName, cubin: Uint8Array): Buffer {
  return createHash("sha256").update(`${key}-${compiler}`).update(cubin).digest();
}
