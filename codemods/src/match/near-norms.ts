import { namesNorm, namesSideNorm, speaksOfQueries } from "../candidates/candidates.ts";
import { forwards } from "../flow/tensor-calls.ts";
import type { FileForm, FunctionForm, Step } from "../form/form.ts";

/** Those functions of a file that have to be looked into, in the order of the file. */
export interface NearNorms {
  /** May come to apply a norm, if called. */
  readonly near: ReadonlySet<FunctionForm>;
  /** Of these, may hold a QK-norm step, or call what does. */
  readonly traced: readonly FunctionForm[];
}

/**
 * Told by the names in their text: a function that names no norm, and calls none of its file that does, applies none; and where
 * neither q nor a norm of q or k is named, no norm is one of q and k. Working out what a function computes is what takes
 * the time, and most functions are neither.
 */
export function functionsNearNorms({ text, classes, functions, module }: FileForm): NearNorms {
  const declared = [...classes.flatMap(({ methods }) => methods), ...functions, module];
  const outer = withCallers(namesNorm, declared, text);
  const all = [...outer, ...outer.flatMap(({ body }) => nestedIn(body))];
  const near = withCallers(namesNorm, all, text);
  return { near: new Set(near), traced: withCallers(namesSide, near, text) };
}

function namesSide(source: string): boolean {
  return speaksOfQueries(source) || namesSideNorm(source);
}

/** The functions declared among the steps, at any depth. */
export function nestedIn(steps: readonly Step[]): readonly FunctionForm[] {
  return steps.flatMap((step): readonly FunctionForm[] => {
    if (step.kind === "function") return [step.declared, ...nestedIn(step.declared.body)];
    if (step.kind === "branch") return [...nestedIn(step.then), ...nestedIn(step.otherwise)];
    return "body" in step ? nestedIn(step.body) : [];
  });
}

/** The functions whose source passes, those that mention one of them, and so on. */
function withCallers(
  passes: (source: string) => boolean,
  functions: readonly FunctionForm[],
  text: string,
): readonly FunctionForm[] {
  const sources = new Map(functions.map((fn) => [fn, sourceOf(fn, text)]));
  const found = new Set(functions.filter((fn) => passes(sources.get(fn)!)));
  let added: readonly FunctionForm[] = [...found];
  while (added.length > 0 && found.size < functions.length) {
    const mention = mentionOfAny(added);
    added = functions.filter((fn) => !found.has(fn) && mention.test(sources.get(fn)!));
    for (const fn of added) found.add(fn);
  }
  return functions.filter((fn) => found.has(fn));
}

/** Does not ask for the body of a function, which may not have been lowered yet. */
function sourceOf(fn: FunctionForm, text: string): string {
  const spans = fn.kind === "module" ? fn.body.map(({ span }) => span) : [fn.span];
  return spans.map(({ start, end }) => text.slice(start, end)).join("\n");
}

function mentionOfAny(functions: readonly FunctionForm[]): RegExp {
  const called = functions.filter(({ kind }) => kind === "function" || kind === "method");
  const patterns = [...new Set(called.map(({ name }) => name))].map((name) => {
    const word = `${name.replace(/[^\w]/g, "\\$&")}(?![\\w$])`;
    // Every layer has a `forward`; here only one's own is meant.
    return forwards.has(name) ? `(?<=\\b(?:this|self|cls)[!?]?\\.)${word}` : `(?<![\\w$])${word}`;
  });
  return new RegExp(patterns.length === 0 ? "(?!)" : patterns.join("|"));
}
