import { chmod, chown, link, mkdir, readFile, realpath, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { describeFailure } from "../failures/failure.ts";
import { patchFolder } from "../files/folders.ts";
import type { FileResult, RunResult } from "../run/run.ts";
import { UndoPatch } from "./undo-patch.ts";

/** What a run that wrote has to tell. */
export interface WrittenResult extends RunResult {
  /** How to take it back, as a command line; undefined when nothing was written. */
  readonly undo: string | undefined;
  /** Files that were written and had other names, which still have the old text. */
  readonly parted: readonly { readonly path: string; readonly others: number }[];
}

const interrupts = ["SIGINT", "SIGTERM"] as const;

/** Runs what puts a new file in its place, with what has to be kept of the old one. */
type Keeping = (replace: () => Promise<void>) => Promise<void>;

/**
 * Writes every change, one file after the other; a file that fails stays as it was and does not stop the others. Each file is in the
 * undo patch before it is replaced, so that a run which is cut off can be taken back or gone on with, and none is without it where the
 * disk is full. SIGINT and SIGTERM let the file at hand be finished and stop there. Throws `UsageError` when no undo patch can be kept.
 */
export async function writeFiles(planned: RunResult): Promise<WrittenResult> {
  const changed = planned.files.filter(({ after }) => after !== undefined);
  if (changed.length === 0)
    return { ...planned, files: settled(planned.files, new Set()), undo: undefined, parted: [] };
  const errors = [...planned.errors];
  const undo = await UndoPatch.begin(patchFolder(changed));
  const interrupt = new AbortController();
  const onInterrupt = () => interrupt.abort();
  for (const signal of interrupts) process.once(signal, onInterrupt);
  const written = new Set<FileResult>();
  const parted: { path: string; others: number }[] = [];
  try {
    for (const file of changed) {
      try {
        if (interrupt.signal.aborted)
          throw new Error("the run was interrupted before this file; run again to go on");
        const others = await writeFileResult(file, (replace) => undo.around(file, replace));
        written.add(file);
        if (others > 0) parted.push({ path: file.path, others });
      } catch (error) {
        errors.push({ path: file.path, message: describeFailure(error) });
        // What others import has to be there before them.
        if (file.helper !== undefined || file.comesFirst) break;
      }
    }
  } finally {
    for (const signal of interrupts) process.off(signal, onInterrupt);
  }
  return { ...planned, files: settled(planned.files, written), errors, undo: await undo.end(), parted };
}

/** What is true of the files by now: where nothing was written, nothing was replaced. */
function settled(files: readonly FileResult[], written: ReadonlySet<FileResult>): readonly FileResult[] {
  return files.flatMap((file) => {
    if (written.has(file)) return [file];
    const findings = file.findings.filter(({ kind }) => kind === "refused");
    return findings.length === 0 ? [] : [{ ...file, findings, after: undefined }];
  });
}

/**
 * Writes one rewritten file: beside the old one, then renamed over it, so that nobody ever sees half of it. Keeps its mode,
 * its owner and its byte order mark. Throws when the file is not what was read any more.
 *
 * @returns how many other names the old file has: hard links are parted, since what shares a file by them (a store of packages,
 *   a snapshot) relies on its not being changed
 */
async function writeFileResult(file: FileResult, keeping: Keeping): Promise<number> {
  const { path, before, after, byteOrderMark } = file;
  if (file.helper === "new") {
    await create(path, after!, keeping);
    return 0;
  }
  const target = await realpath(path); // through a link, which stays one
  const mark = byteOrderMark ? "\uFEFF" : "";
  if ((await readFile(target, "utf8")) !== mark + before)
    throw new Error("it changed while the run went on, and was left alone");
  const { mode, uid, gid, nlink } = await stat(target);
  const temporary = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, mark + after, { flag: "wx", flush: true });
    await chmod(temporary, mode);
    if (uid !== process.getuid?.() || gid !== process.getgid?.())
      await chown(temporary, uid, gid).catch(() => {});
    await keeping(() => rename(temporary, target));
    return nlink - 1;
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** The same for a file that is not there yet, nor its folder. Throws when it is there by now. */
async function create(path: string, text: string, keeping: Keeping): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}.tmp`);
  try {
    await writeFile(temporary, text, { flag: "wx", flush: true });
    // Unlike a rename, a link does not replace what somebody else wrote there meanwhile.
    await keeping(() => link(temporary, path));
  } finally {
    await rm(temporary, { force: true });
  }
}
