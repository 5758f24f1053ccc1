import { dirname, relative, resolve, sep } from "node:path";
import { gitRoot } from "./git.ts";

interface InFolder {
  readonly path: string;
}

/** The current folder when it holds all files, else the git repository that does, else the folder that they share. */
export function patchFolder(files: readonly InFolder[]): string {
  const folders = foldersOf(files);
  if (folders.every((one) => isWithin(one, process.cwd()))) return process.cwd();
  const root = rootOf(folders);
  if (root !== undefined) return root;
  let shared = folders[0]!;
  while (!folders.every((one) => isWithin(one, shared))) shared = dirname(shared);
  return shared;
}

/** The git repository that holds all files, else what a patch is relative to: other tools look from there. */
export function repositoryFolder(files: readonly InFolder[]): string {
  return rootOf(foldersOf(files)) ?? patchFolder(files);
}

/** The name of a file as seen from a folder, with forward slashes. */
export function nameIn(folder: string, { path }: InFolder): string {
  return relative(folder, resolve(path)).split(sep).join("/");
}

function foldersOf(files: readonly InFolder[]): readonly string[] {
  return files.map(({ path }) => dirname(resolve(path)));
}

function rootOf(folders: readonly string[]): string | undefined {
  const root = folders[0] === undefined ? undefined : gitRoot(folders[0]);
  return root !== undefined && folders.every((one) => isWithin(one, root)) ? root : undefined;
}

function isWithin(folder: string, outer: string): boolean {
  return folder === outer || folder.startsWith(outer.endsWith(sep) ? outer : outer + sep);
}
