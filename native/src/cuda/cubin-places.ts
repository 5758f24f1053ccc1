import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { QkNormError } from "@qknorm/core";
import { home } from "../home.ts";
import { loadBinding } from "../loader.ts";

/** Where cubins are kept, or why nowhere. */
export type CachePlace =
  | { readonly folder: string; readonly none: null }
  | { readonly folder: null; readonly none: string };

export const switchedOff: CachePlace = { folder: null, none: "it is switched off" };

/** `QKNORM_CACHE`, of which `off` is none; else where the system keeps such things. Throws `ERR_QKNORM_ARGUMENT`. */
export function cachePlace(): CachePlace {
  const { QKNORM_CACHE: chosen, XDG_CACHE_HOME: caches } = process.env;
  if (chosen === "off") return switchedOff;
  if (chosen && !chosen.startsWith("/")) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `QKNORM_CACHE must be an absolute path or off, got ${chosen}`,
    );
  }
  if (chosen) return { folder: chosen, none: null };
  if (caches?.startsWith("/")) return { folder: join(caches, "qknorm"), none: null };
  try {
    return { folder: join(homedir(), ".cache", "qknorm"), none: null };
  } catch {
    // A user that the system knows nothing of, as containers run them.
    return { folder: null, none: "this user has no home folder; QKNORM_CACHE names another" };
  }
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
