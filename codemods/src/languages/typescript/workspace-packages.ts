import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

const known = new Map<string, ReadonlyMap<string, string>>();

/** The packages of the workspace around a folder: name to folder. Empty outside of one. */
export function workspacePackages(folder: string): ReadonlyMap<string, string> {
  const found = known.get(folder);
  if (found !== undefined) return found;
  const patterns = patternsIn(folder);
  const parent = dirname(folder);
  const packages =
    patterns.length > 0
      ? packagesAt(folder, patterns)
      : parent === folder || existsSync(join(folder, ".git"))
        ? new Map<string, string>()
        : workspacePackages(parent);
  known.set(folder, packages);
  return packages;
}

/** `workspaces` of package.json, or `packages` of pnpm-workspace.yaml. */
function patternsIn(folder: string): readonly string[] {
  const { workspaces } = readPackage(folder);
  const listed = Array.isArray(workspaces)
    ? workspaces
    : ((workspaces as { packages?: unknown })?.packages ?? []);
  const yaml = read(join(folder, "pnpm-workspace.yaml"));
  const section = /^packages:[^\S\n]*\n((?:[^\S\n]*(?:-.*|#.*)?\n?)*)/m.exec(yaml)?.[1] ?? "";
  const inYaml = [...section.matchAll(/^\s*-\s*["']?([^"'#\n]+?)["']?\s*(?:#.*)?$/gm)].map(([, one]) => one!);
  return [...(Array.isArray(listed) ? listed : []), ...inYaml].filter(
    (one): one is string => typeof one === "string" && !one.startsWith("!"),
  );
}

/** A package.json that is no JSON names no packages. */
function readPackage(folder: string): { readonly workspaces?: unknown; readonly name?: unknown } {
  try {
    return JSON.parse(read(join(folder, "package.json")) || "{}") as { workspaces?: unknown; name?: unknown };
  } catch {
    return {};
  }
}

function packagesAt(root: string, patterns: readonly string[]): ReadonlyMap<string, string> {
  const folders = patterns.flatMap((pattern) => expand(root, pattern.replace(/^\.\/|\/$/g, "").split("/")));
  return new Map(
    folders.flatMap((folder): [string, string][] => {
      const { name } = readPackage(folder);
      return typeof name === "string" ? [[name, folder]] : [];
    }),
  );
}

/** Folders that a pattern such as `packages/*` names; `**` is taken as two levels. */
function expand(folder: string, [part, ...rest]: readonly string[]): readonly string[] {
  if (part === undefined) return [folder];
  if (part === "**")
    return [
      ...expand(folder, rest),
      ...expand(folder, ["*", ...rest]),
      ...expand(folder, ["*", "*", ...rest]),
    ];
  if (!part.includes("*")) return expand(join(folder, part), rest);
  const fits = new RegExp(`^${part.replace(/[.+]/g, "\\$&").replaceAll("*", ".*")}$`);
  return foldersIn(folder)
    .filter((name) => fits.test(name))
    .flatMap((name) => expand(join(folder, name), rest));
}

function foldersIn(folder: string): readonly string[] {
  try {
    const entries = readdirSync(folder, { withFileTypes: true });
    return entries.filter((one) => one.isDirectory() && one.name !== "node_modules").map(({ name }) => name);
  } catch {
    return [];
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
