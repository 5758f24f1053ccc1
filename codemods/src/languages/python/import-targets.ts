import { posix } from "node:path";

const { dirname, join, normalize } = posix;

/**
 * Files that `module`, imported by the file at `fromPath`, may stand for, likeliest first. A relative module is looked for
 * from the file's own package; an absolute one in every folder above the file, since any may be on Python's path.
 */
export function pythonImportTargets(
  module: string,
  fromPath: string,
  exists: (path: string) => boolean,
): readonly string[] {
  const dots = /^\.*/.exec(module)?.[0].length ?? 0;
  const parts = module
    .slice(dots)
    .split(".")
    .filter((part) => part !== "");
  const folder = normalize(dirname(fromPath));
  const roots = dots > 0 ? [parentOf(folder, dots - 1)] : searchFolders(folder, parts[0] ?? "", exists);
  const candidates = roots.flatMap((root) => {
    if (parts.length === 0) return [within(root, "__init__.py")];
    const stem = within(root, parts.join("/"));
    return [`${stem}.py`, `${stem}/__init__.py`];
  });
  return [...new Set(candidates)].filter(exists);
}

/** `join` for paths that are normal already: this is asked for dozens of folders for each import. */
function within(folder: string, path: string): string {
  if (folder === ".") return path;
  return folder.endsWith("/") ? `${folder}${path}` : `${folder}/${path}`;
}

/** The folders that may be on Python's path, likeliest first. */
function searchFolders(folder: string, first: string, exists: (path: string) => boolean): readonly string[] {
  const above = foldersAbove(folder);
  // `a` in `import a.b` is most likely the package that the file itself lies in; else it stands beside that package.
  const own = above.filter((path) => posix.basename(path) === first).map((path) => dirname(path));
  const beside = above.find((path) => !exists(within(path, "__init__.py")));
  return [
    ...own,
    ...(beside === undefined ? [] : [beside]),
    ...above,
    ...above.map((path) => within(path, "src")),
  ];
}

const known = new Map<string, readonly string[]>();

function foldersAbove(folder: string): readonly string[] {
  let above = known.get(folder);
  if (above === undefined) {
    above = ancestorsOf(folder);
    known.set(folder, above);
  }
  return above;
}

/** The folder and all above it; a relative one has a few above the current folder too, whose names are not known. */
function ancestorsOf(folder: string, depth = 0): readonly string[] {
  const parent = parentOf(folder, 1);
  if (parent === folder || depth === 32) return [folder];
  return [folder, ...ancestorsOf(parent, depth + 1)];
}

function parentOf(folder: string, levels: number): string {
  if (levels <= 0) return folder;
  const isAboveAll = folder === "." || posix.basename(folder) === "..";
  return parentOf(isAboveAll ? join(folder, "..") : dirname(folder), levels - 1);
}
