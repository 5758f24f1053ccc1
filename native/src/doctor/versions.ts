import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { BINDING_ABI } from "../binding.ts";

/** Of the packages as they are installed; `null` where no package file says it, as in a bundle. */
export interface Versions {
  readonly native: string | null;
  readonly core: string | null;
  /** What this package and its addon speak to each other. */
  readonly binding: number;
  /** Of Node-API, as this Node has it. */
  readonly nodeApi: string;
}

export function versions(): Versions {
  return {
    native: versionIn(() => new URL("../../package.json", import.meta.url), "@qknorm/native"),
    core: versionIn(coreManifest, "@qknorm/core"),
    binding: BINDING_ABI,
    nodeApi: process.versions.napi ?? "none",
  };
}

// Its entry lies one folder below its manifest, in a checkout (src) as in a package (dist).
function coreManifest(): URL {
  const entry = createRequire(import.meta.url).resolve("@qknorm/core");
  return new URL("../package.json", `file://${entry}`);
}

function versionIn(manifest: () => URL, name: string): string | null {
  try {
    const read = JSON.parse(readFileSync(manifest(), "utf8")) as { name?: string; version?: string };
    return read.name === name ? (read.version ?? null) : null;
  } catch {
    return null;
  }
}
