import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { type Candidate, findCandidates } from "./candidates.ts";
import type { CopyForm } from "./emit/helper-form.ts";
import { describeFailure } from "./failure.ts";
import { frontEnds } from "./front-ends.ts";
import { gitRoot } from "./git.ts";
import { NormFacts } from "./norms/norm-facts.ts";
import type { Finding } from "./plan/change.ts";
import { planFile } from "./plan/plan-file.ts";
import type { Profile } from "./profile.ts";
import { Project } from "./project.ts";
import {
  extensions,
  type Language,
  listSourceFiles,
  readSourceFile,
  type SourceFile,
  type SourceFilter,
  sourceContent,
} from "./source-files.ts";

export interface RunOptions {
  readonly paths: readonly string[];
  /** One profile for each language that may be rewritten; files of other languages are left out. */
  readonly profiles: readonly Profile[];
  /** Whether files without a candidate are passed over. Default true; the result is the same, only slower without. */
  readonly prefilter: boolean;
  /** Go on although the helper does not exist in the repository yet. */
  readonly assumeHelper: boolean;
  /** What lies under `paths` and is not to be looked at. */
  readonly filter?: SourceFilter;
  /** One source that is given instead of read; `paths` then only say where callers may be. */
  readonly given?: SourceFile & { readonly bytes: Buffer };
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

/** What a run found out about one file. */
export interface FileResult {
  readonly path: string;
  readonly language: Language;
  readonly findings: readonly Finding[];
  readonly before: string;
  /** The rewritten text, or undefined when the file stays as it is. Neither has a byte order mark. */
  readonly after: string | undefined;
  /** Whether the file on disk begins with a byte order mark. */
  readonly byteOrderMark: boolean;
  /** How its copies spell the step, while a helper is still to be made from them. */
  readonly copies?: readonly CopyForm[];
  /** Set on the file that holds the emitted helper: it has to be there before any other file is written. */
  readonly helper?: "new" | "extended";
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

const everything: SourceFilter = { enters: () => true, accepts: () => true };

/** Plans every change under `paths`. Reads only. Throws `SourcePathError` for a bad path. */
export async function run(options: RunOptions): Promise<RunResult> {
  const started = performance.now();
  const { files: sources, errors: unread } =
    options.given === undefined
      ? await listSourceFiles(options.paths, options.filter ?? everything)
      : { files: [options.given], errors: [] };
  const project = new Project(frontEnds);
  const facts = new NormFacts(project);
  const filesMentioning = mentionIndex(options.paths, sources);
  const files: FileResult[] = [];
  const skipped: { path: string; reason: string }[] = [];
  const errors = [...unread];
  let candidates = 0;
  for (const [done, { path, language }] of sources.entries()) {
    try {
      const source = options.given ? sourceContent(options.given.bytes) : readSourceFile(path);
      if ("skipped" in source) {
        skipped.push({ path, reason: source.skipped });
        continue;
      }
      const { text: before, byteOrderMark, generatedBy } = source;
      const profile = options.profiles.find(({ languages }) => languages.includes(language));
      const steps = findCandidates(before, language).filter(({ role }) => role === "step");
      candidates += steps.length;
      if (profile === undefined || (steps.length === 0 && (options.prefilter || generatedBy))) continue;
      if (generatedBy !== undefined) {
        const findings = [generatedFinding(generatedBy, steps)];
        files.push({ path, language, findings, before, after: undefined, byteOrderMark });
        continue;
      }
      const form = project.add(path, language, before);
      if (form === undefined) continue;
      const chooses = options.chooses && ((finding: Finding) => options.chooses!(path, finding));
      const context = { project, facts, profile, filesMentioning, ...(chooses && { chooses }) };
      const { findings, after, copies } = planFile(form, context);
      if (findings.length === 0) continue;
      files.push({ path, language, findings, before, after, byteOrderMark, ...(copies && { copies }) });
    } catch (error) {
      errors.push({ path, message: describeFailure(error) });
    } finally {
      options.onProgress?.({ done: done + 1, total: sources.length });
    }
  }
  const missing = missingHelper(files, options, project);
  return {
    files: missing === undefined ? files : files.map((file) => ({ ...file, after: undefined })),
    scanned: sources.length - skipped.length,
    candidates,
    skipped,
    errors: missing === undefined ? errors : [...errors, missing],
    ms: Math.round(performance.now() - started),
  };
}

/** What a program writes is not rewritten: it would come back. */
function generatedFinding(marker: number, steps: readonly Candidate[]): Finding {
  return {
    line: steps[0]!.line,
    endLine: steps.at(-1)!.line,
    kind: "refused",
    reason: "generated-file",
    symbol: "<module>",
    message: `line ${marker} says that a program writes this file; change the generator instead`,
  };
}

/** A helper that lives in the scanned repository has to be there before anything is made to call it. */
function missingHelper(
  files: readonly FileResult[],
  { profiles, assumeHelper }: RunOptions,
  project: Project,
): { path: string; message: string } | undefined {
  for (const { path, language, after } of assumeHelper ? [] : files) {
    const profile = profiles.find(({ languages }) => languages.includes(language));
    if (after === undefined || profile === undefined || !profile.helperInRepository) continue;
    const { module, name } = profile.helper;
    const form = project.form(path);
    const asked = form && { ...form, functions: [], classes: [], imports: [importOf(module, name)] };
    const found = asked && project.resolveFunction(name, asked);
    if (found !== undefined && "declaration" in found) continue;
    const message = `the helper ${name} of profile ${profile.name} is not in ${module}, so nothing is changed; pass --assume-helper to call it all the same, or --emit-helper FILE to have one written`;
    return { path, message };
  }
  return undefined;
}

function importOf(module: string, name: string) {
  const span = { start: 0, end: 0 };
  const names = [{ imported: name, local: name, typeOnly: false, span }];
  return { module, names, span, typeOnly: false, topLevel: true, reexport: false };
}

/** Which files hold a word, in the whole repository around `paths`: callers may be where nobody asked to look. */
function mentionIndex(
  paths: readonly string[],
  sources: readonly SourceFile[],
): (word: string) => readonly string[] {
  const known = new Map<string, readonly string[]>();
  const near = new Set(sources.map(({ path }) => resolve(path)));
  return (word) => {
    let found = known.get(word);
    if (found === undefined) {
      const inRepository = paths.flatMap((path) => grep(word, path));
      const local = sources.filter(({ path }) => holds(path, word)).map(({ path }) => path);
      const elsewhere = inRepository
        .filter((path) => !near.has(path))
        .map((path) => relative(".", path) || path);
      found = [...local, ...elsewhere];
      known.set(word, found);
    }
    return found;
  };
}

/** Absolute paths of source files in the git repository of `path` that hold the word; none outside of a repository. */
function grep(word: string, path: string): readonly string[] {
  const root = gitRoot(path);
  if (root === undefined) return [];
  const patterns = extensions.map((extension) => `*${extension}`);
  const args = ["-C", root, "grep", "-lzwF", "--untracked", "-e", word, "--", ...patterns];
  try {
    const list = execFileSync("git", args, {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 1 << 28,
    });
    return list
      .split("\0")
      .filter(Boolean)
      .map((name) => resolve(root, name));
  } catch {
    return []; // git's way to say that no file holds it
  }
}

function holds(path: string, word: string): boolean {
  try {
    return readFileSync(path, "utf8").includes(word);
  } catch {
    return false;
  }
}
