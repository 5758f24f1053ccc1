import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import type { ts } from "ts-morph";
import { compiler } from "./compiler.ts";
import { workspacePackages } from "./workspace-packages.ts";

/**
 * Files that an import of no relative path may name, likeliest first: by a `paths` alias of the nearest tsconfig, by `imports` of
 * package.json, or as a package of the same workspace, built or not. What was installed is not looked at.
 */
export function packageTargets(module: string, fromPath: string): readonly string[] {
  const key = `${module}\0${dirname(fromPath)}`;
  let targets = knownTargets.get(key);
  if (targets === undefined) {
    targets = findTargets(module, fromPath);
    knownTargets.set(key, targets);
  }
  return targets;
}

/** By module and the folder that it is imported in. */
const knownTargets = new Map<string, readonly string[]>();

function findTargets(module: string, fromPath: string): readonly string[] {
  const from = resolve(fromPath);
  const byCompiler = optionsFor(dirname(from)).flatMap(
    (options) =>
      compiler.resolveModuleName(module, from, options, compiler.sys).resolvedModule?.resolvedFileName ?? [],
  );
  const found = [...byCompiler, ...workspaceTargets(module, dirname(from))];
  const sources = found.filter((path) => !/\.d\.[cm]?ts$|[\\/]node_modules[\\/]/.test(path));
  return isAbsolute(fromPath) ? sources : sources.map((path) => relative(".", path).replaceAll("\\", "/"));
}

const known = new Map<string, readonly ts.CompilerOptions[]>();

/** The options of the tsconfig above a folder, and of the ones it only refers to. */
function optionsFor(folder: string): readonly ts.CompilerOptions[] {
  const path =
    compiler.findConfigFile(folder, compiler.sys.fileExists) ??
    compiler.findConfigFile(folder, compiler.sys.fileExists, "jsconfig.json") ??
    "";
  let options = known.get(path);
  if (options === undefined) {
    options = path === "" ? [withDefaults({})] : readConfig(path, 0);
    known.set(path, options);
  }
  return options;
}

function readConfig(path: string, depth: number): readonly ts.CompilerOptions[] {
  const { config, error } = compiler.readConfigFile(path, compiler.sys.readFile);
  if (error !== undefined) return [withDefaults({})];
  // Which files the config is for does not matter, and listing them would walk the whole repository.
  const host = { ...compiler.sys, readDirectory: () => [] };
  const { options, projectReferences = [] } = compiler.parseJsonConfigFileContent(
    config,
    host,
    dirname(path),
  );
  const referred =
    depth > 2 ? [] : projectReferences.flatMap((one) => readConfig(configPath(one.path), depth + 1));
  return [withDefaults(options), ...referred];
}

function configPath(path: string): string {
  return path.endsWith(".json") ? path : join(path, "tsconfig.json");
}

function withDefaults(options: ts.CompilerOptions): ts.CompilerOptions {
  const { Bundler } = compiler.ModuleResolutionKind;
  return { module: compiler.ModuleKind.ESNext, moduleResolution: Bundler, ...options, allowJs: true };
}

/** `@scope/name/sub` in a package whose sources lie in this workspace. */
function workspaceTargets(module: string, folder: string): readonly string[] {
  const [, name = "", sub = ""] = /^((?:@[^/]+\/)?[^/]+)(?:\/(.+))?$/.exec(module) ?? [];
  const home = workspacePackages(folder).get(name);
  if (home === undefined) return [];
  const entries = sub === "" ? [...entriesOf(home), "src/index", "index"] : [`src/${sub}`, sub];
  const stems = entries.map((entry) => join(home, entry.replace(/(?:\.d)?\.[cm]?[jt]sx?$/, "")));
  return [...new Set(stems)]
    .flatMap((stem) => [`${stem}.ts`, `${stem}.tsx`, `${stem}.js`, `${stem}/index.ts`])
    .filter((path) => existsSync(path));
}

/** The files that package.json names for the package itself; those of a build also as the sources that they are built from. */
function entriesOf(home: string): readonly string[] {
  const { exports: exported, source, main, module, types } = readJson(join(home, "package.json"));
  const own = typeof exported === "object" && exported !== null && "." in exported ? exported["."] : exported;
  const named = [source, main, module, types, own].flatMap(stringsIn);
  return named.flatMap((entry) => [entry.replace(/^(?:\.\/)?(?:dist|build|lib|out)\//, "src/"), entry]);
}

function stringsIn(value: unknown): readonly string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(stringsIn) : [];
}

function readJson(path: string): Record<string, unknown> {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Record<string, unknown>;
  } catch {
    return {};
  }
}
