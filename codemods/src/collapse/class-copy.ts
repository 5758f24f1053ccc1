import { classifyName } from "../candidates/names.ts";
import { sourceOfName } from "../copies/origin.ts";
import type { ClassForm, FileForm } from "../form/form.ts";
import type { Project } from "../project/project.ts";

/** A class of norms in one file. */
export interface ClassCopy {
  readonly form: FileForm;
  readonly cls: ClassForm;
}

/** The norm classes that a file declares at its top. */
export function normClassesOf(form: FileForm): readonly ClassCopy[] {
  if (form.errors.length > 0) return [];
  return form.classes
    .filter((cls) => !cls.nested && classifyName(cls.name) !== "other" && isClass(cls, form))
    .map((cls) => ({ form, cls }));
}

/** An interface is a class form too, and has nothing that could be copied. */
function isClass({ span }: ClassForm, { text, language }: FileForm): boolean {
  return (
    language === "python" || !/^(?:export\s+|declare\s+)*interface\b/.test(text.slice(span.start, span.end))
  );
}

/**
 * Equal for two classes that are the same code and mean the same by every name from outside: an import of the same thing, a function or
 * constant of their own files that is the same code again, or a global.
 */
export function classKey({ form, cls }: ClassCopy, project: Project): string {
  const names = new Set<string>();
  const parts: string[] = [];
  const add = (span: { readonly start: number; readonly end: number }): void => {
    parts.push(project.codeOf(form, span));
    for (const [name, places] of form.mentions) {
      const isInside = places.some((place) => span.start <= place.start && place.end <= span.end);
      if (!isInside || names.has(name) || name === cls.name) continue;
      names.add(name);
      const source = sourceOfName(name, form, project);
      if (source.kind === "import") {
        const { imported, module, path } = source.origin;
        parts.push(`${name} = ${imported} of ${path ?? module}`);
      } else if (source.kind === "own") {
        const own = ownSpan(name, form);
        if (own === undefined) parts.push(`${name} of ${form.path}`);
        else add(own);
      }
    }
  };
  add(cls.span);
  return parts.join("\n");
}

/** Where a file declares a name of its own, once and for all. */
function ownSpan(name: string, { functions, classes, module }: FileForm) {
  const declared = [...functions, ...classes].filter((one) => one.name === name);
  const steps = module.body.filter(
    (step) => step.kind === "assign" && step.target.kind === "name" && step.target.name === name,
  );
  const found = [...declared, ...steps];
  return found.length === 1 ? found[0]!.span : undefined;
}
