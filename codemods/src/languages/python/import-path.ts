import { posix, resolve } from "node:path";
import type { FileForm } from "../../form/form.ts";
import { pythonImportTargets } from "./import-targets.ts";

const { dirname, join, relative } = posix;

/** The module of `target`, relative or absolute as the file's own imports are. See `LanguageFrontEnd.importPath`. */
export function pythonImportPath(target: string, from: FileForm, exists: (path: string) => boolean): string {
  const file = resolve(target);
  const folder = dirname(resolve(from.path));
  const roots = from.imports.flatMap(({ module }) => rootOf(module, from, exists));
  const shared = roots.filter((root) => isUnder(file, root) && isUnder(folder, root));
  // A package may be called like a file that lies near by: what most imports say is right.
  const count = (root: string) => shared.filter((one) => one === root).length;
  const [root] = [...new Set(shared)].sort((a, b) => count(b) - count(a));
  const relatives = from.imports.filter(({ module }) => module.startsWith("."));
  const isRelative = relatives.length > (root === undefined ? 0 : count(root));
  if (isRelative && isInPackage(file, folder, relatives, exists)) return relativeModule(file, folder);
  return dotted(relative(root ?? folderOnPath(file, folder, exists), file));
}

/** The folder that an absolute import of this repository is looked up in. */
function rootOf(module: string, from: FileForm, exists: (path: string) => boolean): readonly string[] {
  const [found] = module.startsWith(".") ? [] : pythonImportTargets(module, from.path, exists);
  if (found === undefined) return [];
  const path = resolve(found).replace(/(?:\/__init__)?\.py$/, "");
  const tail = `/${module.replaceAll(".", "/")}`;
  return path.endsWith(tail) ? [path.slice(0, -tail.length)] : [];
}

/** The nearest folder above both files that is no package. */
function folderOnPath(file: string, folder: string, exists: (path: string) => boolean): string {
  let root = folder;
  while (
    dirname(root) !== root &&
    (!isUnder(file, root) || exists(join(relative(resolve("."), root), "__init__.py")))
  ) {
    root = dirname(root);
  }
  return root;
}

/** Whether a relative import reaches the file: it may not leave the outermost package, as far up as `__init__.py` or the file's own imports say that goes. */
function isInPackage(
  file: string,
  folder: string,
  relatives: FileForm["imports"],
  exists: (path: string) => boolean,
): boolean {
  const levels = levelsUp(file, folder);
  const climbed = Math.max(...relatives.map(({ module }) => /^\.*/.exec(module)![0].length - 1));
  const top = join(folder, ...Array.from({ length: levels }, () => ".."));
  return levels <= climbed || exists(join(relative(resolve("."), top), "__init__.py"));
}

function levelsUp(file: string, folder: string): number {
  return relative(folder, file)
    .split("/")
    .filter((part) => part === "..").length;
}

function relativeModule(file: string, folder: string): string {
  const path = relative(folder, file);
  const levels = levelsUp(file, folder);
  return ".".repeat(levels + 1) + dotted(path.replace(/^(?:\.\.\/)+/, ""));
}

function dotted(path: string): string {
  return path.replace(/(?:(?:^|\/)__init__)?\.py$/, "").replaceAll("/", ".");
}

function isUnder(path: string, folder: string): boolean {
  return path === folder || path.startsWith(`${folder}/`);
}
