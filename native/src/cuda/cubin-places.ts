import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { home } from "../home.ts";
import { loadBinding } from "../loader.ts";

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

/**
 * The folder of what is shipped, one pack for each architecture: beside the sources where they are made, beside the addon
 * where it was installed; `null` where neither is.
 */
export function shippedFolder(): string | null {
  const { binding, ...addon } = loadBinding();
  const places = [
    ...(home === null ? [] : [join(home, "cubins")]),
    ...("path" in addon ? [join(dirname(addon.path), "cubins")] : []),
  ];
  return places.find((place) => existsSync(place)) ?? null;
}

/** The pack of an architecture in such a folder. */
export function packPath(folder: string, arch: string): string {
  return join(folder, `${arch}.pack`);
}
