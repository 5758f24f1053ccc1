import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { chooseForm } from "../copies/choose-form.ts";
import { UsageError } from "../failures/usage-error.ts";
import {
  extensions,
  type Language,
  languageOf,
  readSourceFile,
  type SourceContent,
} from "../files/source-files.ts";
import type { HelperForm } from "../helper/helper-form.ts";
import { allFrontEnds } from "../languages/front-ends.ts";
import { NormFacts } from "../norms/norm-facts.ts";
import type { Finding } from "../plan/change.ts";
import { markOfGenerated } from "../plan/generated-file.ts";
import type { Profile } from "../profiles/profile.ts";
import { Project } from "../project/project.ts";
import { type FileResult, type RunOptions, type RunResult, run } from "../run/run.ts";
import { existingHelper } from "./existing-helper.ts";
import { helperFile } from "./helper-file.ts";
import { loadedWith } from "./import-reach.ts";

/** What was found, and the options under which a file is planned again in the same way. */
export interface EmittedRun {
  readonly found: RunResult;
  readonly settled: RunOptions;
}

/**
 * Plans every change under `paths` so that the copies call a helper in the file `path`, which is written from them. Runs twice:
 * first to see how all copies spell the step, then to rewrite those that the one helper is right for. The helper's file comes
 * first in the result. Reads only. Throws `UsageError` when the file cannot take the helper.
 */
export async function runWithEmittedHelper(options: RunOptions, path: string): Promise<EmittedRun> {
  const language = languageOf(path);
  if (language === undefined)
    throw new UsageError(`--emit-helper ${path} has to be a source file (${extensions.join(" ")})`);
  const home = contentOf(path);
  const profile = emittingProfile(options.profiles, language, path);
  const project = new Project(await allFrontEnds());
  const known = home && knownForm(path, language, home.text, profile, project);
  const surveyed = { ...options, profiles: [profile] };
  const survey = await run(surveyed);
  const copies = survey.files.flatMap((file) => file.copies ?? []);
  if (copies.length === 0) return { found: survey, settled: surveyed };
  const form = known ?? usable(chooseForm(copies, language), language);
  const loads = home !== undefined && language === "python" ? [...loadedWith(path, project)] : [];
  const settled = { ...options, profiles: [withForm(profile, form, loads)] };
  const planned = await run(settled);
  const isHome = (file: FileResult) => resolve(file.path) === resolve(path);
  const rewritten = planned.files.filter(({ after }) => after !== undefined);
  const first = rewritten.find((file) => !isHome(file)) ?? rewritten[0];
  const sample = first && project.form(first.path);
  if (known !== undefined || sample === undefined) return { found: planned, settled };
  const own = planned.files.find(isHome);
  const { name } = profile.helper;
  const helper: FileResult = {
    path,
    language,
    findings: own?.findings ?? [],
    before: home?.text ?? "",
    after: helperFile({
      path,
      before: own?.after ?? home?.text,
      name,
      form,
      sample,
      callers: rewritten.map((file) => file.path),
      project,
    }),
    byteOrderMark: home?.byteOrderMark ?? false,
    helper: home === undefined ? "new" : "extended",
  };
  const files = [helper, ...planned.files.filter((file) => file !== own)];
  return { found: { ...planned, files, ms: survey.ms + planned.ms }, settled };
}

/** Without the helper's file when nothing is left that would call it. */
export function withoutIdleHelper(result: RunResult): RunResult {
  const isIdle = result.files.every(({ after, helper }) => after === undefined || helper !== undefined);
  const hasOwn = result.files.some(
    ({ helper, findings }) => helper !== undefined && findings.some(isReplaced),
  );
  return isIdle && !hasOwn
    ? { ...result, files: result.files.filter(({ helper }) => helper === undefined) }
    : result;
}

function isReplaced({ kind }: Finding): boolean {
  return kind === "replaced";
}

/** As the profile of the language, but this helper calls whatever norm a copy called, and overwrites nothing. */
function emittingProfile(profiles: readonly Profile[], language: Language, path: string): Profile {
  const base = profiles.find(({ languages }) => languages.includes(language));
  if (base === undefined)
    throw new UsageError(`--emit-helper ${path}: the profile ${profiles[0]?.name} is not for ${language}`);
  return {
    ...base,
    languages: [language],
    helper: { name: base.helper.name, module: "", path },
    norms: ["plain-rms", "unit-offset", "weightless", "layer", "l2", "unknown"],
    acceptsFunctions: true,
    requiredAttributes: [],
    takesAltStream: true,
    inPlace: false,
    headsFirst: "as-is",
    helperInRepository: false,
  };
}

function withForm(profile: Profile, form: HelperForm, loads: readonly string[]): Profile {
  const takesAltStream = form.stream !== undefined;
  return { ...profile, takesAltStream, helper: { ...profile.helper, form, loads } };
}

/** A stream whose type is not known could not be given to a typed helper. */
function usable(form: HelperForm, language: Language): HelperForm {
  if (language !== "typescript" || form.stream === undefined || form.stream.type !== undefined) return form;
  const { stream: _, ...withoutStream } = form;
  return withoutStream;
}

function contentOf(path: string): SourceContent | undefined {
  if (!existsSync(path)) return undefined;
  if (!statSync(path).isFile()) throw new UsageError(`--emit-helper ${path} is no file`);
  const source = readSourceFile(path);
  const refused =
    "skipped" in source ? source.skipped : markOfGenerated(path, source) && "a program writes it";
  if (refused !== undefined) throw new UsageError(`--emit-helper ${path} cannot be extended: ${refused}`);
  return source as SourceContent;
}

function knownForm(
  path: string,
  language: Language,
  text: string,
  profile: Profile,
  project: Project,
): HelperForm | undefined {
  const form = project.add(path, language, text)!;
  if (form.errors.length > 0) throw new UsageError(`--emit-helper ${path} does not parse`);
  return existingHelper(form, profile.helper.name, { project, facts: new NormFacts(project) });
}
