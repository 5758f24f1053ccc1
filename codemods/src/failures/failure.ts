/** What the file system's codes mean to somebody who runs the tool. */
const meanings: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "the disk is full",
  ENOENT: "there is no such file",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of the path is not a folder",
  ELOOP: "its links lead back to itself",
  ENAMETOOLONG: "the name is too long",
  EMFILE: "too many files are open",
};

/** An error in a few words, without the path, which stands beside it. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const meaning = code === undefined ? undefined : meanings[code];
  return meaning === undefined ? error.message : `${meaning} (${code})`;
}
