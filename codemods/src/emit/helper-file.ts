import { resolve } from "node:path";
import { sourceOfName } from "../copies/origin.ts";
import { UsageError } from "../failures/usage-error.ts";
import type { FileForm } from "../form/form.ts";
import type { HelperForm, Origin } from "../helper/helper-form.ts";
import { isSameOrigin } from "../helper/helper-form.ts";
import type { AddedImport, HelperText, LanguageFrontEnd } from "../languages/front-end.ts";
import { styleOf } from "../languages/layout.ts";
import { isCommonJs } from "../languages/typescript/new-import.ts";
import type { Project } from "../project/project.ts";
import { applyEdits } from "../text/text-edits.ts";
import { loadedWith } from "./import-reach.ts";

export interface HelperFileRequest {
  readonly path: string;
  /** What the file holds now; undefined when it is to be created. */
  readonly before: string | undefined;
  readonly name: string;
  readonly form: HelperForm;
  /** A file that is to call the helper: what is new looks like it. */
  readonly sample: FileForm;
  /** All files that are to call it. */
  readonly callers: readonly string[];
  readonly project: Project;
}

/** The text of a file that holds the helper, with the imports that it needs. Throws `UsageError` when a name is taken there. */
export function helperFile(asked: HelperFileRequest): string {
  const late = asked.sample.language === "python" ? circular(originsOf(asked.form, asked.sample), asked) : [];
  const request = { ...asked, form: withoutLateType(asked.form, late) };
  const { path, before, sample, project } = request;
  const frontEnd = project.frontEnd(sample.language)!;
  const lower = (text: string) => frontEnd.lower({ path, language: sample.language, text });
  const home = before === undefined || before.trim() === "" ? undefined : lower(before);
  const style = styleOf(home ?? sample);
  const { lineEnd } = style;
  const names = originsOf(request.form, sample);
  const inside = late.filter(({ origin }) => names.some((name) => name.origin === origin));
  const origins = names.filter(({ origin }) => !inside.some((one) => one.origin === origin));
  const opening = inside.map(
    ({ origin }) => `from ${moduleOf(origin, home ?? lower(""), request)} import ${importedAs(origin)}`,
  );
  const declaration = frontEnd.writeHelper({ ...helperText(request, home), opening });
  if (sample.language !== "python") {
    const fresh = `${directiveOf(sample)}${declaration}${lineEnd}`;
    const text = home === undefined ? fresh : below(home.text, declaration, lineEnd, 1);
    return withImports(text, origins, request, frontEnd);
  }
  if (home !== undefined)
    return withImports(below(home.text, declaration, lineEnd, 2), origins, request, frontEnd);
  const head = withImports(`"""The QK-norm step."""${lineEnd}`, origins, request, frontEnd);
  return below(head, declaration, lineEnd, 2);
}

function helperText(
  { path, name, form, sample }: HelperFileRequest,
  home: FileForm | undefined,
): Omit<HelperText, "opening"> {
  const near = home ?? sample;
  const { unit, lineEnd, width, semicolon } = styleOf(near);
  const isCommon = path.endsWith(".cjs") || (!path.endsWith(".mjs") && isCommonJs(near));
  const script = sample.language === "typescript" ? "typescript" : isCommon ? "commonjs" : "module";
  return {
    name,
    form,
    style: { unit, lineEnd, width, semicolon },
    dialect: sample.language === "python" ? "python" : script,
    fresh(wanted) {
      let found = wanted;
      for (let i = 2; home?.mentions.has(found); i++) found = `${wanted}${i}`;
      return found;
    },
  };
}

/** Names from files that load this one, or will once they call it: at its top, an import of them would find them half loaded. */
function circular(
  names: readonly NeededName[],
  { path, callers, project }: HelperFileRequest,
): readonly NeededName[] {
  const [home, ...loading] = [path, ...callers].map((one) => resolve(one)) as [string, ...string[]];
  return names.filter(({ origin }) => {
    if (origin.path === undefined || origin.imported === "*") return false;
    const loaded = loadedWith(origin.path, project);
    return loaded.has(home) || loading.some((one) => loaded.has(one) || one === resolve(origin.path!));
  });
}

/** A type in the signature is looked up when the helper's file is loaded, so that it cannot be imported later. */
function withoutLateType({ tensor, ...form }: HelperForm, late: readonly NeededName[]): HelperForm {
  const isLate = late.some(({ origin }) => isSameOrigin(origin, tensor));
  return isLate || tensor === undefined ? form : { ...form, tensor };
}

function importedAs({ imported, local }: Origin): string {
  return imported === local ? imported : `${imported} as ${local}`;
}

/** `"use strict";` where the other files say so. */
function directiveOf(sample: FileForm): string {
  const { text, module } = sample;
  const [first] = module.body;
  if (first?.kind !== "evaluate" || first.value.kind !== "literal") return "";
  const { lineEnd } = styleOf(sample);
  return `${text.slice(first.span.start, first.span.end)}${lineEnd}${lineEnd}`;
}

function below(text: string, declaration: string, lineEnd: string, blankLines: number): string {
  const gap = lineEnd.repeat(blankLines + 1);
  return `${text.trimEnd()}${gap}${declaration}${lineEnd}`;
}

interface NeededName {
  readonly origin: Origin;
  readonly isType: boolean;
}

function originsOf({ reshape, stream, tensor }: HelperForm, { language }: FileForm): readonly NeededName[] {
  const typing = { local: "Tuple", imported: "Tuple", module: "typing" };
  const values = [...(reshape?.origins ?? []), ...(stream?.origins ?? [])];
  const types = [tensor, stream?.type].filter((one) => one !== undefined);
  if (language === "python" && tensor !== undefined) values.unshift(typing, tensor);
  return [
    ...values.map((origin) => ({ origin, isType: false })),
    ...(language === "typescript" ? types.map((origin) => ({ origin, isType: true })) : []),
  ];
}

/** Brings the names in one after the other, so that each finds its place among those before. */
function withImports(
  text: string,
  needed: readonly NeededName[],
  request: HelperFileRequest,
  frontEnd: LanguageFrontEnd,
): string {
  const { path, sample, project } = request;
  return needed.reduce((current, { origin, isType }) => {
    const form = frontEnd.lower({ path, language: sample.language, text: current });
    const { local, imported } = origin;
    if (origin.path !== undefined && resolve(origin.path) === resolve(path)) return current;
    const there = sourceOfName(local, form, project);
    if (there.kind === "import" && isSameOrigin(there.origin, origin)) return current;
    if (there.kind !== "global")
      throw new UsageError(`${path} has something else called ${local}, which the helper needs`);
    const module = moduleOf(origin, form, request);
    const add = [{ module, name: imported, local, ...kindOf(origin, isType) }];
    return applyEdits(current, frontEnd.editImports(form, { add, drop: [], removed: [] }));
  }, text);
}

function moduleOf(origin: Origin, form: FileForm, { sample, project }: HelperFileRequest): string {
  if (origin.path === undefined) return origin.module;
  // A file that imports nothing of the repository takes after the one that will call it.
  const isNeighbour = form.imports.some((one) => project.importTargets(one.module, form).length > 0);
  return project.importPath(origin.path, isNeighbour ? form : { ...form, imports: sample.imports });
}

function kindOf({ imported }: Origin, isType: boolean): Pick<AddedImport, "kind"> {
  if (imported === "*") return { kind: "module" };
  if (imported === "default") return { kind: "default" };
  return isType ? { kind: "type" } : {};
}
