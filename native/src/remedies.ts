import { readFileSync } from "node:fs";
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

/** What brings the addon here; `faults` are what those said that were found and could not be used. */
export function remedyFor(faults: readonly string[]): string {
  if (faults.some((fault) => /--allow-(ffi|read)/.test(fault))) {
    return "give Deno --allow-read, --allow-env and --allow-ffi";
  }
  const where = situation();
  if (where === "cloned") return "`npm run setup` builds it, with a C++20 compiler and CMake";
  if (home === null) return `\`npm install ${installable("@qknorm/native")}\` where the bundle runs`;
  const platform = thisPlatform();
  if (!isPublished(platform) || faults.length > 0) return howToBuild(home);
  const command = `npm install ${installable(packageOf(platform))}`;
  return `\`${command}\`: it is an optional dependency, which --omit=optional or a lockfile of another platform leaves out`;
}

function howToBuild(folder: string): string {
  const tools = "npm install --no-save cmake-js node-addon-api node-api-headers";
  return `build it, with a C++20 compiler and CMake: \`${tools} && npx cmake-js compile -d ${folder} --out ${folder}/build\``;
}

/** With the version that this code speaks to, where it can be read. */
function installable(name: string): string {
  try {
    return `${name}@${(JSON.parse(readFileSync(packageFile("package.json"), "utf8")) as { version: string }).version}`;
  } catch {
    return name;
  }
}
