import { listSourceFiles, type SourceFile, type SourceFilter } from "../files/source-files.ts";
import type { Finding } from "../plan/change.ts";
import { analyseInThreads } from "./analysis-threads.ts";
import { type AnalysisOptions, FileAnalysis, type FileOutcome, type FileResult } from "./file-analysis.ts";

export type { FileResult } from "./file-analysis.ts";

export interface RunOptions extends AnalysisOptions {
  /** Files and folders; the repository around them is where callers and classes are looked for. */
  readonly paths: readonly string[];
  /** One profile for each language that may be rewritten; files of other languages are left out. */
  readonly profiles: AnalysisOptions["profiles"];
  /** Whether files that cannot hold a step by their names are passed over. The result is the same, only slower without. */
  readonly prefilter: boolean;
  /** Go on although the helper does not exist in the repository yet. */
  readonly assumeHelper: boolean;
  /** What lies under `paths` and is not to be looked at. */
  readonly filter?: SourceFilter;
  /** One source that is given instead of read; `paths` then only say where callers may be. */
  readonly given?: SourceFile & { readonly bytes: Buffer };
  /** Threads that look at files; the result is the same. Default 1: each thread loads a parser of its own. */
  readonly threads?: number | undefined;
  /** Whether a copy that can be replaced is to be; all are by default. */
  readonly chooses?: (path: string, finding: Finding) => boolean;
  /** Told after each file. */
  readonly onProgress?: (progress: Progress) => void;
}

/** How far a run is. */
export interface Progress {
  readonly done: number;
  readonly total: number;
}

export interface RunResult {
  readonly files: readonly FileResult[];
  readonly scanned: number;
  readonly candidates: number;
  /** Files that were not looked at, and why. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
  /** What went wrong in one file without stopping the others, or before any. */
  readonly errors: readonly { readonly path: string; readonly message: string }[];
  readonly ms: number;
}

/** Plans every change under `paths`. Reads only. Throws `SourcePathError` for a bad path. */
export async function run(options: RunOptions): Promise<RunResult> {
  const started = performance.now();
  const { given, chooses, onProgress } = options;
  const { files: sources, errors: unread } =
    given === undefined
      ? await listSourceFiles(options.paths, options.filter ?? everything)
      : { files: [given], errors: [] };
  const outcomes = new Outcomes(sources);
  let done = 0;
  const onOutcome = (index: number, outcome: FileOutcome): void => {
    outcomes.add(index, outcome);
    done += 1;
    onProgress?.({ done, total: sources.length });
  };
  const { threads = 1 } = options;
  // A choice is a function of this thread, and a given source its content; neither is work for many.
  if (threads > 1 && given === undefined && chooses === undefined) {
    const { paths, profiles, prefilter, assumeHelper, types = "written" } = options;
    const plain = { paths, profiles, prefilter, assumeHelper, types };
    await analyseInThreads({ options: plain, sources, threads, onOutcome });
  } else {
    const analysis = new FileAnalysis(options, sources);
    for (const [index, source] of sources.entries()) {
      const request = {
        ...(given !== undefined && { bytes: given.bytes }),
        ...(chooses !== undefined && { chooses: (finding: Finding) => chooses(source.path, finding) }),
      };
      onOutcome(index, await analysis.analyse(source, request));
    }
  }
  const result = outcomes.result();
  return {
    ...result,
    errors: [...unread, ...result.errors],
    ms: Math.round(performance.now() - started),
  };
}

export const everything: SourceFilter = { enters: () => true, accepts: () => true };

/** The outcomes of all files, in the order of the files, whichever comes first. */
class Outcomes {
  readonly #sources: readonly SourceFile[];
  readonly #special = new Map<number, FileOutcome>();
  #candidates = 0;

  constructor(sources: readonly SourceFile[]) {
    this.#sources = sources;
  }

  add(index: number, outcome: FileOutcome): void {
    this.#candidates += outcome.candidates;
    // Most files have nothing to tell, and a run over 100,000 of them should not remember that of each.
    if (outcome.result ?? outcome.skipped ?? outcome.error) this.#special.set(index, outcome);
  }

  result(): Omit<RunResult, "ms"> {
    const inOrder = [...this.#special].sort(([a], [b]) => a - b);
    const of = <T>(pick: (outcome: FileOutcome, path: string) => T | undefined): T[] =>
      inOrder.flatMap(([index, outcome]) => pick(outcome, this.#sources[index]!.path) ?? []);
    const files = of(({ result }) => result);
    const skipped = of(({ skipped: reason }, path) => (reason === undefined ? undefined : { path, reason }));
    const errors = of(({ error: message }, path) => (message === undefined ? undefined : { path, message }));
    const [lack] = of(({ lackOfHelper: message }, path) =>
      message === undefined ? undefined : { path, message },
    );
    return {
      // Half of the calls without what they call would be worse than none.
      files: lack === undefined ? files : files.map((file) => ({ ...file, after: undefined })),
      scanned: this.#sources.length - skipped.length,
      candidates: this.#candidates,
      skipped,
      errors: lack === undefined ? errors : [...errors, lack],
    };
  }
}
