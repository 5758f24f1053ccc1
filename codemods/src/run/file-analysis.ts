import { findCandidates, mayHoldStep, mayNameStep } from "../candidates/candidates.ts";
import { describeFailure } from "../failures/failure.ts";
import { bundleReason } from "../files/bundle.ts";
import { type FilesMentioning, mentionIndex } from "../files/mention-index.ts";
import {
  type Language,
  readSourceFile,
  type SourceContent,
  type SourceFile,
  sourceContent,
} from "../files/source-files.ts";
import type { CopyForm } from "../helper/helper-form.ts";
import { frontEndFor } from "../languages/front-ends.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import type { Finding } from "../plan/change.ts";
import { generatedFindings, markOfGenerated } from "../plan/generated-file.ts";
import { planFile } from "../plan/plan-file.ts";
import type { Profile } from "../profiles/profile.ts";
import { Project, type TypeSource } from "../project/project.ts";
import { lackOfHelper } from "./helper-module.ts";

/** What an analysis needs to know of a run; plain data, so that it can be sent to another thread. */
export interface AnalysisOptions {
  readonly paths: readonly string[];
  readonly profiles: readonly Profile[];
  readonly prefilter: boolean;
  readonly assumeHelper: boolean;
  /** What tells of what class a norm is; names and annotations alone if left out. */
  readonly types?: TypeSource;
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
  /** Set on a file that others are made to import from; the same holds. */
  readonly comesFirst?: boolean;
}

/** All that came of looking at one file; nothing but a count for nearly every one. */
export interface FileOutcome {
  readonly candidates: number;
  readonly result?: FileResult;
  /** Why the file was not read as code. */
  readonly skipped?: string;
  readonly error?: string;
  /** Why the helper cannot be called from here; set only where it would be. */
  readonly lackOfHelper?: string;
}

export interface FileRequest {
  /** The content, when it is not to be read from disk. */
  readonly bytes?: Buffer;
  /** Whether a copy that can be replaced is to be; all are by default. */
  readonly chooses?: (finding: Finding) => boolean;
}

/** Looks at one file after the other. Each thread has its own, and none depends on what the others have seen. */
export class FileAnalysis {
  readonly #options: AnalysisOptions;
  readonly #project: Project;
  readonly #facts: NormFacts;
  readonly #filesMentioning: FilesMentioning;

  constructor(options: AnalysisOptions, sources: readonly SourceFile[]) {
    this.#options = options;
    this.#project = new Project([], options.types);
    this.#facts = new NormFacts(this.#project);
    this.#filesMentioning = mentionIndex(
      options.paths,
      sources.map(({ path }) => path),
    );
  }

  /** Reads only. What goes wrong with this file is in the outcome. */
  async analyse(file: SourceFile, { bytes, chooses }: FileRequest = {}): Promise<FileOutcome> {
    let candidates = 0;
    try {
      const source = bytes === undefined ? readSourceFile(file.path) : sourceContent(bytes);
      if ("skipped" in source) return { candidates, skipped: source.skipped };
      const mayHold = mayHoldStep(source.text);
      if (!mayHold && (this.#options.prefilter || source.generatedBy !== undefined)) return { candidates };
      const bundle = this.#isAskedFor(file) ? undefined : bundleReason(file, source.text);
      if (bundle !== undefined) return { candidates, skipped: bundle };
      const steps = findCandidates(source.text, file.language).filter(({ role }) => role === "step");
      candidates = steps.length;
      const profile = this.#options.profiles.find(({ languages }) => languages.includes(file.language));
      if (profile === undefined) return { candidates };
      if (source.generatedBy !== undefined && steps.length === 0) return { candidates };
      return { candidates, ...(await this.#plan(file, source, profile, chooses)) };
    } catch (error) {
      return { candidates, error: describeFailure(error) };
    }
  }

  /** By its own name, or by asking for every file. */
  #isAskedFor({ path }: SourceFile): boolean {
    const { paths, prefilter } = this.#options;
    return !prefilter || paths.includes(path);
  }

  async #plan(
    { path, language }: SourceFile,
    source: SourceContent,
    profile: Profile,
    chooses: FileRequest["chooses"],
  ): Promise<Pick<FileOutcome, "result" | "lackOfHelper">> {
    const { text: before, byteOrderMark } = source;
    const frontEnd = await frontEndFor(language);
    const mayHold = () => frontEnd.glance?.(before)?.mayHoldStep ?? true;
    if (this.#options.prefilter && !mayHold()) return {};
    this.#project.use(frontEnd);
    const form = this.#project.add(path, language, before)!;
    const context = { project: this.#project, facts: this.#facts, filesMentioning: this.#filesMentioning };
    const mark = markOfGenerated(path, source);
    const { findings, after, copies } = planFile(form, {
      ...context,
      profile,
      ...(chooses && { chooses }),
      wanted: mark === undefined ? "changes" : "places",
    });
    if (findings.length === 0) return {};
    // What does not parse was not looked into: it matters where a step may be.
    if (findings.every(({ reason }) => reason === "parse-error") && !mayHold()) return {};
    // The norm itself may stand in another file. A file whose own code names none is not held to be a copy, prefilter or not.
    if (!mayHoldStep(before) && !mayNameStep(form.mentions.keys())) return {};
    if (mark !== undefined) {
      const told = generatedFindings(findings, form, mark, this.#project);
      return told.length === 0
        ? {}
        : { result: { path, language, findings: told, before, after: undefined, byteOrderMark } };
    }
    const isAsked = after !== undefined && profile.helperInRepository && !this.#options.assumeHelper;
    const lack = isAsked ? lackOfHelper(form, profile, this.#project) : undefined;
    return {
      result: { path, language, findings, before, after, byteOrderMark, ...(copies && { copies }) },
      ...(lack !== undefined && { lackOfHelper: lack }),
    };
  }
}
