import { type Candidate, findCandidates } from "./candidates.ts";
import { listSourceFiles, readSourceFile } from "./source-files.ts";

/** What a scan found. The shape of `--json`; `version` goes up when a field changes its meaning or goes. */
export interface ScanReport {
  readonly tool: "qknorm-codemod";
  readonly version: 1;
  /** How far the tool went: candidates are found by name, nothing is matched or rewritten yet. */
  readonly stage: "candidates";
  readonly paths: readonly string[];
  readonly filesScanned: number;
  /** Files with at least one step, sorted by path. */
  readonly files: readonly CandidateFile[];
  /** Files that declare or build norms of q and k and never apply them. */
  readonly setupOnly: readonly string[];
  /** Files that were not scanned, and why. */
  readonly skipped: readonly { readonly path: string; readonly reason: string }[];
}

export interface CandidateFile {
  readonly path: string;
  readonly candidates: readonly Candidate[];
}

/** Reads every source file at or under `paths` and changes none. Throws `SourcePathError` for a bad path. */
export async function scan(paths: readonly string[]): Promise<ScanReport> {
  const sources = await listSourceFiles(paths);
  const files: CandidateFile[] = [];
  const setupOnly: string[] = [];
  const skipped: { path: string; reason: string }[] = [];
  for (const { path, language } of sources) {
    const source = await readSourceFile(path);
    if ("skipped" in source) {
      skipped.push({ path, reason: source.skipped });
      continue;
    }
    const candidates = findCandidates(source.text, language);
    if (candidates.some(({ role }) => role === "step")) files.push({ path, candidates });
    else if (candidates.length > 0) setupOnly.push(path);
  }
  const filesScanned = sources.length - skipped.length;
  return {
    tool: "qknorm-codemod",
    version: 1,
    stage: "candidates",
    paths,
    filesScanned,
    files,
    setupOnly,
    skipped,
  };
}
