/** The folder that all the paths are in, with its slash. */
export function sharedFolder(paths: readonly string[]): string {
  const [first = "", ...others] = paths;
  let end = first.lastIndexOf("/") + 1;
  while (end > 0 && !others.every((path) => path.startsWith(first.slice(0, end))))
    end = first.lastIndexOf("/", end - 2) + 1;
  return first.slice(0, end);
}

/** `modular_*.py`: what the names of files have in common; undefined where they have next to nothing. */
export function sharedName(paths: readonly string[]): string | undefined {
  const names = [...new Set(paths.map((path) => path.slice(path.lastIndexOf("/") + 1)))];
  const [first] = names;
  if (first === undefined || names.length === 1) return first;
  const extension = /(?:\.\w+)?$/.exec(first)?.[0] ?? "";
  let length = first.length - extension.length;
  while (length > 0 && !names.every((name) => name.startsWith(first.slice(0, length)))) length -= 1;
  const isShared = length > 2 && names.every((name) => name.endsWith(extension));
  return isShared ? `${first.slice(0, length)}*${extension}` : undefined;
}
