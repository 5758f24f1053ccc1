import { dirname } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { markFiles } from "../edits/mark.ts";
import { UsageError } from "../failures/usage-error.ts";
import { extensions, languageOf } from "../files/source-files.ts";
import { type FileResult, type RunOptions, type RunResult, run } from "../run/run.ts";

export interface GivenResult extends RunResult {
  /** The whole source as it is to be, every byte of it; nothing when it could not be read as code. */
  readonly source: string;
}

/**
 * Plans the changes of one source that is read from `input` under a name that tells its language and where its imports lead; the
 * file of that name is not touched, and need not exist. Throws `UsageError` for a name in no known language.
 */
export async function runGiven(
  input: Readable,
  name: string,
  { mark, ...options }: Omit<RunOptions, "paths"> & { readonly mark: boolean },
): Promise<GivenResult> {
  const language = languageOf(name);
  if (language === undefined)
    throw new UsageError(
      `--stdin-filename ${name} is not the name of a source file (${extensions.join(" ")})`,
    );
  const bytes = await buffer(input);
  const planned = await run({ ...options, paths: [dirname(name)], given: { path: name, language, bytes } });
  const errors = [
    ...planned.errors,
    ...planned.skipped.map(({ path, reason }) => ({ path, message: `not read as code: ${reason}` })),
  ];
  const result = { ...(mark ? await markFiles(planned) : planned), skipped: [], errors };
  return { ...result, source: errors.length > 0 ? "" : sourceOf(result.files[0], bytes) };
}

function sourceOf(file: FileResult | undefined, bytes: Buffer): string {
  if (file?.after === undefined) return bytes.toString("utf8");
  return `${file.byteOrderMark ? "\uFEFF" : ""}${file.after}`;
}
