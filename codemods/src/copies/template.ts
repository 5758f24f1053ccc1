import type { Trace } from "../flow/trace.ts";
import type { Expr, FileForm } from "../form/form.ts";
import { childrenOf } from "../form/traversal.ts";
import type { Origin } from "../helper/helper-form.ts";
import { Refusal } from "../match/reasons.ts";
import type { Project } from "../project/project.ts";
import { sourceOfName } from "./origin.ts";

export interface TemplateSource {
  readonly form: FileForm;
  readonly trace: Trace;
  readonly project: Project;
}

export interface Template {
  readonly text: string;
  readonly origins: readonly Origin[];
}

/**
 * An expression as written, with some of its parts replaced. What is left may name imports and globals only.
 * Throws `Refusal` when it names anything else, which a helper in another file cannot reach.
 */
export function templateOf(
  root: Expr,
  source: TemplateSource,
  replace: (expr: Expr) => string | undefined,
): Template {
  const { form } = source;
  const origins: Origin[] = [];
  let text = "";
  let from = root.span.start;
  const visit = (expr: Expr): void => {
    const replacement = replace(expr);
    if (replacement !== undefined) {
      text += form.text.slice(from, expr.span.start) + replacement;
      from = expr.span.end;
      return;
    }
    if (expr.kind === "self" || expr.kind === "closure") throw outOfReach(expr, form);
    if (expr.kind === "name") origins.push(...originsOfName(expr, source));
    // In the order of the text: an argument may stand left of what it is given to.
    for (const child of [...childrenOf(expr)].sort((a, b) => a.span.start - b.span.start)) visit(child);
  };
  visit(root);
  text += form.text.slice(from, root.span.end);
  return { text, origins };
}

function originsOfName(
  expr: Extract<Expr, { kind: "name" }>,
  { form, trace, project }: TemplateSource,
): readonly Origin[] {
  if (trace.values.get(expr)?.kind !== "free") throw outOfReach(expr, form);
  const source = sourceOfName(expr.name, form, project);
  if (source.kind === "global") return [];
  const { origin } = source;
  const isKnown = origin !== undefined && (origin.path !== undefined || !origin.module.startsWith("."));
  if (!isKnown) throw outOfReach(expr, form);
  return [origin];
}

function outOfReach({ span }: Expr, { text }: FileForm): Refusal {
  const name = text.slice(span.start, span.end);
  return new Refusal(
    "helper-mismatch",
    `the step needs \`${name}\`, which a helper in another file cannot reach`,
  );
}
