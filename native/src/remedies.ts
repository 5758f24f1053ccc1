import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { AddonFault } from "./addon-file.ts";
import { isPublished, packageOf, thisPlatform } from "./addon-places.ts";
import { home, ownFile, packageFile, situation } from "./home.ts";

/** Why no addon is to be found, in one sentence. */
export function reasonForNone(): string {
  const platform = thisPlatform();
  if (situation() === "cloned") return "it has not been built";
  if (home === null) return `the bundle ${ownFile} finds no @qknorm/native from where it lies`;
  if (isPublished(platform)) return `${packageOf(platform)} is not installed beside ${home}`;
  return `none is published for ${platform}`;
}

/** What brings the addon here; `faults` are those of the addons that were found and could not be used. */
export function remedyFor(faults: readonly AddonFault[]): string {
  const of = (cause: AddonFault["cause"]) => faults.find((fault) => fault.cause === cause);
  if (of("not-allowed")) return "give Deno --allow-read, --allow-env and --allow-ffi";
  if (of("addons-off"))
    return "let Node load addons: without --no-addons, and with --allow-addons beside --permission";
  if (situation() === "cloned") return "`npm run setup` builds it, with a C++20 compiler and CMake";
  const platform = thisPlatform();
  const damaged = of("damaged");
  if (damaged !== undefined) return reinstall(damaged.path, platform);
  if (home === null) return `\`${add("@qknorm/native")}\` where the bundle runs`;
  if (!isPublished(platform) || of("system")) return build(home);
  const command = add(packageOf(platform));
  if (of("other-version")) return `\`${command}\`: what is installed is of another version`;
  return `\`${command}\`: it is an optional dependency, which --omit=optional or a lockfile of another platform leaves out`;
}

// npm takes a folder that is there for whole.
function reinstall(path: string, platform: string): string {
  if (isPnpms(path)) return "`pnpm install --force` installs it again";
  const folder = dirname(path);
  if (!/[\\/]node_modules[\\/]/.test(folder) || folder.endsWith(join("build", "Release")))
    return `remove ${path}, and build it again`;
  return `\`rm -r ${quoted(folder)} && ${add(packageOf(platform))}\` installs it again`;
}

function build(folder: string): string {
  const tools = "npm install --no-save cmake-js node-addon-api node-api-headers";
  const out = join(folder, "build");
  return `build it, with a C++20 compiler and CMake: \`${tools} && npx cmake-js compile -d ${quoted(folder)} --out ${quoted(out)}\``;
}

function add(name: string): string {
  return `${home !== null && isPnpms(home) ? "pnpm add" : "npm install"} ${installable(name)}`;
}

function isPnpms(path: string): boolean {
  return /[\\/]node_modules[\\/]\.pnpm[\\/]/.test(path);
}

/** A path as a word of a command. */
function quoted(path: string): string {
  return /^[\w./\\:@+-]+$/.test(path) ? path : `"${path}"`;
}

/** With the version that this code speaks to, where it can be read. */
function installable(name: string): string {
  try {
    return `${name}@${(JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version}`;
  } catch {
    return name;
  }
}
