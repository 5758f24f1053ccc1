import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { home, ownFile } from "./home.ts";

/** The platforms whose addon is published, as `@qknorm/native-<platform>`. Others are built from the sources. */
const published: readonly string[] = ["linux-x64-glibc"];

/** The package that carries the addon of a platform. */
export function packageOf(platform: string): string {
  return `@qknorm/native-${platform}`;
}

/** Whether npm has the addon of a platform. */
export function isPublished(platform: string): boolean {
  return published.includes(platform);
}

/**
 * `linux-x64-glibc`, `linux-arm64-musl`, `darwin-arm64`, `win32-x64`. Asks for the C library, which takes milliseconds: for
 * messages alone.
 */
export function thisPlatform(): string {
  const system = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? `${system}-${cLibrary()}` : system;
}

/**
 * Where addons are to be, in the order they are tried: what was built from the sources, then what was installed. Which C
 * library Linux has is not asked: package managers install by `os`, `cpu` and `libc`, and an addon of the other does not open.
 */
export function addonPaths(): string[] {
  const system = `${process.platform}-${process.arch}`;
  const platforms = process.platform === "linux" ? [`${system}-glibc`, `${system}-musl`] : [system];
  const built = home === null ? [] : [join(home, "build", "Release", "qknorm.node")].filter(isThere);
  return [...built, ...platforms.map(installedAddon).filter((path) => path !== null)];
}

// From the package first, whose dependency it is: pnpm lets nobody else see it.
function installedAddon(platform: string): string | null {
  for (const from of [home === null ? null : join(home, "package.json"), ownFile]) {
    if (from === null) continue;
    try {
      // Not its main file, which may be missing: npm does not look into the folders that it finds.
      return join(dirname(createRequire(from).resolve(`${packageOf(platform)}/package.json`)), "qknorm.node");
    } catch {}
  }
  return null;
}

function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false; // Deno without --allow-read
  }
}

function cLibrary(): "glibc" | "musl" {
  try {
    const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
    return header?.glibcVersionRuntime === undefined ? "musl" : "glibc";
  } catch {
    return "glibc";
  }
}
