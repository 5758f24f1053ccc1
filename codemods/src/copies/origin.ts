import type { FileForm, Step, Target } from "../form/form.ts";
import type { Origin } from "../helper/helper-form.ts";
import type { Project } from "../project/project.ts";

/** Where a name of a file comes from: an import, the file itself, or nowhere (a global of the language). */
export type NameSource =
  | { readonly kind: "import"; readonly origin: Origin }
  /** Without an origin the file keeps it for itself. */
  | { readonly kind: "own"; readonly origin: Origin | undefined }
  | { readonly kind: "global" };

/** Looks up a name; of a dotted one, its first part. */
export function sourceOfName(name: string, form: FileForm, project: Project): NameSource {
  const [head = name] = name.split(".");
  for (const { module, names, reexport } of form.imports) {
    for (const { imported, local } of reexport ? [] : names) {
      const isPath = local.includes(".") && `${name}.`.startsWith(`${local}.`);
      if (local !== head && !isPath) continue;
      const [path] = project.importTargets(module, form);
      return { kind: "import", origin: { local, imported, module, ...(path !== undefined && { path }) } };
    }
  }
  const cls = form.classes.find((one) => one.name === head && !one.nested);
  const fn = form.functions.find((one) => one.name === head);
  if (cls === undefined && fn === undefined) {
    return assigns(form.module.body, head) ? { kind: "own", origin: undefined } : { kind: "global" };
  }
  const isExported = cls?.exported ?? fn?.visibility === "exported";
  const origin = { local: head, imported: head, module: "", path: form.path };
  return { kind: "own", origin: isExported ? origin : undefined };
}

/** Whether a statement of the file itself assigns the name. */
export function assigns(steps: readonly Step[], name: string): boolean {
  return steps.some((step) => {
    if (step.kind === "assign") return namesIn(step.target).includes(name);
    if (step.kind === "branch") return assigns(step.then, name) || assigns(step.otherwise, name);
    return "body" in step && assigns(step.body, name);
  });
}

function namesIn(target: Target): readonly string[] {
  switch (target.kind) {
    case "name":
      return [target.name];
    case "tuple":
      return target.items.flatMap((item) => (item === undefined ? [] : namesIn(item)));
    case "record":
      return target.fields.flatMap((field) => namesIn(field.target));
    case "rest":
      return namesIn(target.target);
    default:
      return [];
  }
}
