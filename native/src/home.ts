import { createRequire } from "node:module";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { QkNormError } from "@qknorm/core";

const ownName = "@qknorm/native";

/** The file that this code is in: a module of the package, or a bundle. A bundle in CommonJS has no `import.meta.url`. */
export const ownFile = typeof import.meta.url === "string" ? fileURLToPath(import.meta.url) : __filename;

/** How this code came to be here, which decides what its reader can do about a missing addon. */
export type Situation = "cloned" | "installed" | "bundled";

/** The folder of this package with its kernels and sources; `null` for a bundle that finds none from where it lies. */
export const home = findHome();

/** Cloned: in its repository. Installed: below a `node_modules`. Bundled: its code is in another file than the package's. */
export function situation(): Situation {
  if (home === null || relative(home, ownFile).startsWith("..")) return "bundled";
  return /[\\/]node_modules[\\/]/.test(home) ? "installed" : "cloned";
}

/** A file of this package, by its path within it. Throws `ERR_NATIVE` where the package is not there. */
export function packageFile(...path: string[]): string {
  if (home !== null) return join(home, ...path);
  throw new QkNormError(
    "ERR_NATIVE",
    `${path.join("/")} of ${ownName} is not found from the bundle ${ownFile}: install the package where the bundle runs`,
  );
}

// By its name, from here: a package finds itself, and a bundle what is installed where it lies.
function findHome(): string | null {
  try {
    return dirname(createRequire(ownFile).resolve(`${ownName}/package.json`));
  } catch {
    return null;
  }
}
