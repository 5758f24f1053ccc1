import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { findCandidates } from "./candidates.ts";
import { gitRoot } from "./git.ts";
import { NormFacts } from "./norms/norm-facts.ts";
import type { Finding } from "./plan/change.ts";
import { planFile } from "./plan/plan-file.ts";
import type { Profile } from "./profile.ts";
import { Project } from "./project.ts";
import { pythonFrontEnd } from "./python/front-end.ts";
import {
  extensions,
  type Language,
  listSourceFiles,
  readSourceFile,
  type SourceFile,
} from "./source-files.ts";
import { scriptFrontEnd } from "./typescript/front-end.ts";

export interface RunOptions {
  readonly paths: readonly string[];
  /** One profile for each language that may be rewritten; files of other languages are left out. */
  readonly profiles: readonly Profile[];
  /** Whether files without a candidate are passed over. Default true; the result is the same, only slower without. */
  readonly prefilter: boolean;
  /** Go on although the helper does not exist in the repository yet. */
  readonly assumeHelper: boolean;
  readonly accepts?: (path: string) => boolean;
}

/** What a run found out about one file. */
export interface FileResult {
  readonly path: string;
  readonly language: Language;
  readonly findings: readonly Finding[];
  readonly before: string;
  /** The rewritten text, or undefined when the file stays as it is. Neither has a byte order mark. */
  readonly after: string | undefined;
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
  const sources = (await listSourceFiles(options.paths)).filter(
    ({ path }) => options.accepts?.(path) ?? true,
  );
  const project = new Project([scriptFrontEnd, pythonFrontEnd]);
  const facts = new NormFacts(project);
  const filesMentioning = mentionIndex(options.paths, sources);
  const files: FileResult[] = [];
  const skipped: { path: string; reason: string }[] = [];
  const errors: { path: string; message: string }[] = [];
  let candidates = 0;
  for (const { path, language } of sources) {
    const source = await readSourceFile(path);
    if ("skipped" in source) {
      if (source.skipped !== "generated" || holdsStep(path, language))
        skipped.push({ path, reason: source.skipped });
      continue;
    }
    const profile = options.profiles.find(({ languages }) => languages.includes(language));
    const steps = findCandidates(source.text, language).filter(({ role }) => role === "step").length;
    candidates += steps;
    if (profile === undefined || (steps === 0 && options.prefilter)) continue;
    try {
      const form = project.add(path, language, source.text);
      if (form === undefined) continue;
      const { findings, after } = planFile(form, { project, facts, profile, filesMentioning });
      if (findings.length > 0) files.push({ path, language, findings, before: source.text, after });
    } catch (error) {
      errors.push({ path, message: error instanceof Error ? error.message : String(error) });
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

function holdsStep(path: string, language: Language): boolean {
  try {
    return findCandidates(readFileSync(path, "utf8"), language).some(({ role }) => role === "step");
  } catch {
    return false;
  }
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
    const message = `the helper ${name} is not in ${module}; write it first, or pass --assume-helper to go on without it`;
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
