import type { Finding } from "../plan/change.ts";
import { type FileResult, type RunOptions, type RunResult, run } from "./run.ts";

/** Plans a file again with these replacements only. */
export type Replan = (file: FileResult, wanted: readonly Finding[]) => Promise<FileResult>;

/** For results of a run with these options. */
export function replanning(options: RunOptions): Replan {
  return async (file, wanted) => {
    const all = file.findings.filter(({ kind }) => kind === "replaced");
    if (all.length === wanted.length || file.helper !== undefined) return file;
    const keys = new Set(wanted.map(keyOf));
    const chooses = (_: string, finding: Finding) => keys.has(keyOf(finding));
    const { files } = await run({ ...options, paths: [file.path], chooses });
    return files.find(({ path }) => path === file.path) ?? { ...file, after: undefined };
  };
}

/** For each replacement its file as it would be if nothing else were replaced. */
export async function eachAlone(
  { files }: RunResult,
  replan: Replan,
): Promise<ReadonlyMap<Finding, FileResult>> {
  const alone = new Map<Finding, FileResult>();
  for (const file of files) {
    for (const finding of file.after === undefined ? [] : file.findings) {
      if (finding.kind === "replaced") alone.set(finding, await replan(file, [finding]));
    }
  }
  return alone;
}

function keyOf({ line, symbol, message }: Finding): string {
  return `${line}\n${symbol}\n${message}`;
}
