import { readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { namesNorm } from "../candidates/candidates.ts";
import { type Language, languageOf } from "../files/source-files.ts";
import type { Value } from "../flow/value.ts";
import type { ClassForm, FileForm, FunctionForm, Span, Step } from "../form/form.ts";
import type { CheckedTypes, LanguageFrontEnd, NameUse, Place } from "../languages/front-end.ts";
import { KeptForms } from "./kept-forms.ts";
import { KnownPaths } from "./known-paths.ts";

/** A declaration, and the file it stands in. */
export interface Declared<T> {
  readonly declaration: T;
  readonly form: FileForm;
}

/** A name whose code is out of reach: it comes from this module. */
export interface External {
  readonly module: string;
  readonly name: string;
}

export type Resolved<T> = Declared<T> | External | undefined;

/** Whether only names and annotations tell of what class something is, or also a type checker, where the language has one. */
export type TypeSource = "written" | "checked";

const deepestImport = 8;
const largestFile = 4_000_000;

/** Lowers files on demand and follows names across imports, aliases and re-exports. */
export class Project {
  readonly #frontEnds = new Map<Language, LanguageFrontEnd>();
  readonly #forms = new KeptForms(
    ({ language, text }) => text.length * (this.frontEnd(language)?.bytesPerCharacter ?? 1),
  );
  readonly #disk = new KnownPaths();
  /** By language, folder of the file that imports, and module: whatever the file is called, the module is the same. */
  readonly #importTargets = new Map<string, readonly string[]>();
  readonly #leads = new Map<string, boolean>();
  /** By path: the functions that may come to apply a norm. */
  readonly #nearNorms = new Map<string, ReadonlySet<string> | "any">();
  readonly #types: TypeSource;
  readonly #checked = new Map<LanguageFrontEnd, CheckedTypes | undefined>();

  constructor(frontEnds: readonly LanguageFrontEnd[], types: TypeSource = "written") {
    this.#types = types;
    for (const one of frontEnds) this.use(one);
  }

  /** Files of its languages can be lowered from now on. */
  use(frontEnd: LanguageFrontEnd): void {
    for (const language of frontEnd.languages) this.#frontEnds.set(language, frontEnd);
  }

  frontEnd(language: Language): LanguageFrontEnd | undefined {
    return this.#frontEnds.get(language);
  }

  /** Lowers a text that is at hand, and remembers it as the content of `path`. One that is remembered with this text is not lowered again. */
  add(path: string, language: Language, text: string): FileForm | undefined {
    const known = this.#forms.peek(path);
    const form =
      known?.text === text ? known : this.#frontEnds.get(language)?.lower({ path, language, text });
    this.#forms.keep(path, form);
    return form;
  }

  form(path: string): FileForm | undefined {
    if (this.#forms.has(path)) return this.#forms.get(path);
    const language = languageOf(path);
    if (language === undefined || !this.#exists(path) || statSync(path).size > largestFile) return undefined;
    return this.add(path, language, readFileSync(path, "utf8").replace(/^\uFEFF/, ""));
  }

  /** Files that a module, as a file imports it, may stand for; likeliest first. */
  importTargets(module: string, { language, path }: FileForm): readonly string[] {
    const key = `${language}\0${dirname(path)}\0${module}`;
    let targets = this.#importTargets.get(key);
    if (targets === undefined) {
      const exists = (target: string) => this.#exists(target);
      targets = this.#frontEnds.get(language)?.importTargets(module, path, exists) ?? [];
      this.#importTargets.set(key, targets);
    }
    return targets;
  }

  /** The module under which a file is to import another one. */
  importPath(target: string, from: FileForm): string {
    const frontEnd = this.#frontEnds.get(from.language);
    if (frontEnd === undefined) throw new Error(`no front end for ${from.language}`);
    return frontEnd.importPath(target, from, (path) => this.#exists(path));
  }

  /** See `LanguageFrontEnd.codeOf`. */
  codeOf(form: FileForm, span: Span): string {
    return this.#frontEnds.get(form.language)!.codeOf(form, span);
  }

  /** See `LanguageFrontEnd.usesOf`. */
  usesOf(form: FileForm, name: string): readonly NameUse[] {
    return this.#frontEnds.get(form.language)!.usesOf(form, name);
  }

  /** Classes by checked type, all of them or none; see `CheckedTypes.classesOf`. */
  classesOf(value: Value, place: Place): readonly Declared<ClassForm>[] {
    const places = this.#typesOf(place.form)?.classesOf(value, place) ?? [];
    const found = places.flatMap(({ path, start }) => {
      const form = this.form(path);
      const declaration = form?.classes.find(({ span }) => span.start === start);
      return form === undefined || declaration === undefined ? [] : [{ declaration, form }];
    });
    return found.length === places.length ? found : [];
  }

  #typesOf({ language }: FileForm): CheckedTypes | undefined {
    const frontEnd = this.#types === "checked" ? this.#frontEnds.get(language) : undefined;
    if (frontEnd === undefined) return undefined;
    if (!this.#checked.has(frontEnd)) this.#checked.set(frontEnd, frontEnd.checkedTypes?.());
    return this.#checked.get(frontEnd);
  }

  resolveClass(name: string, form: FileForm): Resolved<ClassForm> {
    return this.#resolve(name, form, ({ classes }) => classes, 0);
  }

  /** With `near-norms`, files are not opened for a function that is declared there beside no norm. */
  resolveFunction(name: string, form: FileForm, which: "any" | "near-norms" = "any"): Resolved<FunctionForm> {
    const leads =
      which === "any" ? undefined : (path: string, wanted: string) => this.#leadsToNorm(path, wanted);
    return this.#resolve(name, form, ({ functions }) => functions, 0, leads);
  }

  #resolve<T extends { readonly name: string }>(
    name: string,
    form: FileForm,
    listOf: (form: FileForm) => readonly T[],
    depth: number,
    leads?: (path: string, name: string) => boolean,
  ): Resolved<T> {
    const declared = listOf(form).filter((one) => one.name === name);
    const [declaration] = declared;
    if (isReassigned(form.module.body, name) || isChosen(declared, name, form)) return undefined;
    if (declaration !== undefined) return { declaration, form };
    if (depth > deepestImport) return undefined;
    const [head, ...tail] = name.split(".");
    for (const statement of form.imports) {
      for (const { imported, local } of statement.names) {
        // `import * as norms`: the rest of `norms.RmsNorm` is looked up there. `export *`: the same name.
        const isStar = imported === "*" && local === "*";
        if (!isStar && local !== name && local !== head) continue;
        const { module, wanted } = lookUp(statement.module, { imported, local, name, isStar, tail });
        const found = this.#follow(module, wanted, form, listOf, depth, leads);
        if (found !== undefined) return found;
        if (!isStar) return { module, name: wanted };
      }
    }
    return undefined;
  }

  #follow<T extends { readonly name: string }>(
    module: string,
    name: string,
    from: FileForm,
    listOf: (form: FileForm) => readonly T[],
    depth: number,
    leads?: (path: string, name: string) => boolean,
  ): Resolved<T> {
    for (const path of this.importTargets(module, from)) {
      if (leads?.(path, name) === false) continue;
      const target = this.form(path);
      const own = target?.exportedAs.get(name) ?? name;
      const found =
        target && target !== from ? this.#resolve(own, target, listOf, depth + 1, leads) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether the file, by its text alone, may hold the function with a norm in reach of it, or take it from another file. */
  #leadsToNorm(path: string, name: string): boolean {
    const key = `${path}\0${name}`;
    let known = this.#leads.get(key);
    if (known === undefined) {
      const text = this.#forms.peek(path)?.text ?? readFileSync(path, "utf8");
      const word = name.replace(/\$/g, "\\$&");
      const isDeclared = new RegExp(`\\b(?:def|function|const|let|var)\\s+${word}(?![\\w$])`).test(text);
      const isElsewhere = text.includes(name) ? !isDeclared : /\b(?:im|ex)port\s*\*/.test(text);
      known = isElsewhere || this.#isNearNorm(path, name, text);
      this.#leads.set(key, known);
    }
    return known;
  }

  #isNearNorm(path: string, name: string, text: string): boolean {
    let near = this.#nearNorms.get(path);
    if (near === undefined) {
      const language = languageOf(path);
      const glance = language && this.#frontEnds.get(language)?.glance?.(text);
      near = glance?.nearNorms ?? (namesNorm(text) ? "any" : new Set());
      this.#nearNorms.set(path, near);
    }
    return near === "any" || near.has(name);
  }

  #exists(path: string): boolean {
    return this.#forms.has(path) || this.#disk.isFile(path);
  }
}

interface Mention {
  readonly imported: string;
  readonly local: string;
  readonly name: string;
  readonly isStar: boolean;
  /** What stands after the first dot of the name. */
  readonly tail: readonly string[];
}

/** Where to look for an imported name, and under which name there. */
function lookUp(
  module: string,
  { imported, local, name, isStar, tail }: Mention,
): { module: string; wanted: string } {
  if (isStar) return { module, wanted: name };
  // `const RmsNorm = require("./norms")` may be the one thing that the module gives.
  if (imported === "*") return { module, wanted: local === name ? "default" : tail.join(".") };
  if (tail.length === 0 || local === name) return { module, wanted: imported };
  // `from torch import nn`, then `nn.LayerNorm`: the imported name is itself a module.
  return {
    module: module.endsWith(".") ? `${module}${imported}` : `${module}.${imported}`,
    wanted: tail.join("."),
  };
}

/** Whether a statement of the file gives the name another meaning: `RMSNorm = OffsetRMSNorm`. */
function isReassigned(steps: readonly Step[], name: string): boolean {
  // Not by recursion: a chain of thousands of `elif` in one file is no reason to fail on the files that look here.
  const pending = [...steps];
  for (let step = pending.pop(); step !== undefined; step = pending.pop()) {
    if (step.kind === "assign" && step.target.kind === "name" && step.target.name === name) return true;
    for (const inner of step.kind === "branch"
      ? [step.then, step.otherwise]
      : "body" in step
        ? [step.body]
        : [])
      pending.push(...inner);
  }
  return false;
}

/** Whether several declarations and imports of a file give the name a meaning, of which one counts when it runs: in a `try`, in the arms of an `if`. */
function isChosen(declared: readonly object[], name: string, { imports, text }: FileForm): boolean {
  const sources = imports
    .filter(({ typeOnly, names }) => !typeOnly && names.some(({ local }) => local === name))
    .filter(({ topLevel, span }) => topLevel || !isOfAnotherPlatform(text.slice(0, span.start)))
    .flatMap(({ module, names }) =>
      names.flatMap(({ imported, local }) => (local === name ? [`${module} ${imported}`] : [])),
    );
  // Of overloads one alone has code; a class in a function is seen there alone.
  const own = declared.filter((one) => !isOverload(one) && !("nested" in one && one.nested));
  return own.length + new Set(sources).size > 1;
}

/**
 * Whether what comes next, at the end of `before`, is under a condition that asks for the platform: `if not (_is_cuda or _is_hip):`. A library's
 * own norm takes the place of a class there, under its name, and computes what it does.
 */
function isOfAnotherPlatform(before: string): boolean {
  const condition = /(?:^|\n)if\b((?:[^\n:]|\n(?=[ \t)]))*):[^\n]*\n(?:(?:[ \t][^\n]*)?\n)*[ \t]+$/.exec(
    before,
  )?.[1];
  return condition !== undefined && /\b_?is_(?:cuda|hip|npu|cpu|xpu|hpu|musa|tpu|mps)\b/.test(condition);
}

function isOverload(one: object): boolean {
  return (
    "decorators" in one && (one.decorators as readonly string[]).some((name) => /\boverload$/.test(name))
  );
}
