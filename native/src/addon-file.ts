import { closeSync, fstatSync, openSync, readSync } from "node:fs";

/** An addon that is there and cannot be used. */
export interface AddonFault {
  readonly path: string;
  /** In one sentence, with the path. */
  readonly reason: string;
  /** Of what kind, which decides what mends it: see `remedyFor`. */
  readonly cause: "damaged" | "other-version" | "system" | "not-allowed" | "addons-off";
}

/** What a file header must hold for its parts to be found. */
const headerBytes = 4096;

/**
 * Why the file at an addon's path must not be opened: it is not there, or it ends before what it says that it holds, on which the
 * system's loader ends the process. `null` where nothing speaks against it, or where nobody may look.
 */
export function damageOf(path: string): string | null {
  let file: number;
  try {
    file = openSync(path, "r");
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "is not there" : null;
  }
  try {
    const found = fstatSync(file);
    if (!found.isFile()) return "is no file";
    const header = new DataView(new ArrayBuffer(headerBytes));
    const wanted = elfLength(header, readSync(file, header, 0, headerBytes, 0));
    return found.size < wanted ? `is cut off: ${found.size} of at least ${wanted} bytes` : null;
  } finally {
    closeSync(file);
  }
}

/** Which kind of fault it is that the system's loader, or the runtime in front of it, gave this message for. */
export function causeOf(message: string): AddonFault["cause"] {
  if (/--allow-(ffi|read)/.test(message)) return "not-allowed";
  // Node with --no-addons, or with --permission and without --allow-addons.
  if (/loading addons is disabled/.test(message)) return "addons-off";
  // A library that is missing or older than the addon asks for, by glibc and by musl.
  if (/version `|\.so[.\d]*: cannot open shared object|Error (loading|relocating)/.test(message))
    return "system";
  return "damaged";
}

/** The bytes that a 64-bit little-endian ELF file must have for its segments to be mapped; 0 for any other file. */
function elfLength(header: DataView, available: number): number {
  if (available < 64 || header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) return 0;
  const table = Number(header.getBigUint64(0x20, true));
  const entrySize = header.getUint16(0x36, true);
  const entries = header.getUint16(0x38, true);
  let end = table + entries * entrySize;
  if (end > headerBytes) return end;
  for (let at = table; at < table + entries * entrySize && at + 0x28 <= available; at += entrySize) {
    const offset = Number(header.getBigUint64(at + 0x08, true));
    end = Math.max(end, offset + Number(header.getBigUint64(at + 0x20, true)));
  }
  return end;
}
