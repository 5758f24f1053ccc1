import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { QkNormError } from "@qknorm/core";

/** `QKNORM_CACHE`, of which `off` is none; else where the system keeps such things. Throws `ERR_QKNORM_ARGUMENT`. */
export function cacheFolder(): string | null {
  const { QKNORM_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env;
  if (chosen === "off") return null;
  if (chosen && !chosen.startsWith("/")) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `QKNORM_CACHE must be an absolute path or off, got ${chosen}`,
    );
  }
  return chosen || join(caches?.startsWith("/") ? caches : join(homedir(), ".cache"), "qknorm");
}

/** `QKNORM_CUBINS`: folders with colons between them. */
export function seedFolders(): string[] {
  return (process.env.QKNORM_CUBINS ?? "").split(":").filter((folder) => folder !== "");
}

/** The folder of what the package ships, one pack for each architecture. */
export function shippedFolder(): string {
  return fileURLToPath(new URL("../../cubins", import.meta.url));
}

/** The pack of an architecture in such a folder. */
export function packPath(folder: string, arch: string): string {
  return join(folder, `${arch}.pack`);
}
