import { isAboutStreams } from "../flow/tensor-calls.ts";
import type { Block, NormEvent } from "../flow/trace.ts";
import { baseOf, type Value } from "../flow/value.ts";
import type { BranchStep, Expr, Step } from "../form/form.ts";
import type { Origin, StreamForm } from "../helper/helper-form.ts";
import { Refusal } from "../match/reasons.ts";
import { type Template, type TemplateSource, templateOf } from "./template.ts";

/**
 * How a copy normalises k on a second stream, read off the arm of the branch that does it. Throws `Refusal` when the
 * arm does anything that a helper could not repeat.
 */
export function streamFormOf(event: NormEvent, alt: Value, source: TemplateSource): StreamForm {
  const home = branchAround(event.block);
  if (home === undefined) throw mismatch("the second stream is used whatever holds, not under a condition");
  const { branch, arm } = home;
  const { trace, form } = source;
  const isScript = form.language !== "python";
  const locals: string[] = [];
  const said: { before: string[]; after: string[] } = { before: [], after: [] };
  const origins: Origin[] = [];
  const template = (expr: Expr): string => {
    const { text, origins: found }: Template = templateOf(expr, source, (one) => {
      if (trace.values.get(one) === alt) return "$alt";
      return one.kind === "name" && locals.includes(one.name) ? `$${locals.indexOf(one.name)}` : undefined;
    });
    origins.push(...found.filter(({ local }) => !origins.some((one) => one.local === local)));
    return text;
  };
  let on: string | undefined;
  for (const step of arm.steps) {
    const list = on === undefined ? said.before : said.after;
    const kind = kindOf(step, event, alt, source);
    if (kind === "run") on = isScript ? runText(event, template) : `with ${template(contextOf(step))}:`;
    else if (kind === "stream" && step.kind === "assign" && step.target.kind === "name") {
      const value = template(step.value);
      locals.push(step.target.name);
      list.push(`${isScript ? "const " : ""}$${locals.length - 1} = ${value}`);
    } else if (kind === "stream" && step.kind === "evaluate") list.push(template(step.value));
    else if (kind !== "norm") throw mismatch("the branch with the second stream does something more");
  }
  if (on === undefined) throw mismatch("what runs on the second stream could not be told apart");
  const conditions = conditionsOf(branch.test);
  const isOfAlt = (expr: Expr) => mentions(expr, alt, source);
  const test = conditions.filter((one) => !isOfAlt(one)).map(template);
  const checks = conditions.filter(isOfAlt).map(({ span }) => form.text.slice(span.start, span.end));
  const nullable = isScript && checks.some((text) => /\bnull\b/.test(text));
  const joined = test.join(isScript ? " && " : " and ");
  return { test: joined, nullable, ...said, on, locals, origins };
}

function branchAround(block: Block): { branch: BranchStep; arm: Block } | undefined {
  for (let one: Block | undefined = block; one?.parent !== undefined; one = one.parent.block) {
    if (one.parent.step.kind === "branch" && one.kind === "then")
      return { branch: one.parent.step, arm: one };
  }
  return undefined;
}

/** What a statement of the arm is about: the streams, the norms, running k's norm on the second stream, or else. */
function kindOf(
  step: Step,
  event: NormEvent,
  alt: Value,
  { trace }: TemplateSource,
): "stream" | "norm" | "run" | "other" {
  if (step.kind === "scope") return isAboutStreams(trace.values.get(step.context)!) ? "run" : "other";
  if (step === event.step) return "run";
  if (step.kind === "return") return "norm";
  if (step.kind !== "assign" && step.kind !== "evaluate") return "other";
  const value = trace.values.get(step.value);
  if (value === undefined) return "other";
  if (value === alt) return "norm";
  if (isAboutStreams(value)) return "stream";
  return step.kind === "assign" && isOfStep(value) ? "norm" : "other";
}

/** A norm's result, what it is given, or a shape. */
function isOfStep(value: Value): boolean {
  const base = baseOf(value);
  return value.kind === "reshape" || base.kind === "norm" || value.kind === "shape";
}

function contextOf(step: Step): Expr {
  if (step.kind !== "scope") throw mismatch("what runs on the second stream could not be told apart");
  return step.context;
}

/** `altStream.run(() => work)`: the call without its argument. */
function runText({ site }: NormEvent, template: (expr: Expr) => string): string {
  if (site.kind !== "call" || site.args.length !== 1) {
    throw mismatch("what runs on the second stream could not be told apart");
  }
  return `${template(site.callee)}(() => $work)`;
}

function conditionsOf(test: Expr): readonly Expr[] {
  return test.kind === "operation" && test.operator === "&&" ? test.operands.flatMap(conditionsOf) : [test];
}

/** Whether the condition asks for the second stream and nothing else. */
function mentions(expr: Expr, alt: Value, { trace }: TemplateSource): boolean {
  if (trace.values.get(expr) === alt) return true;
  if (expr.kind !== "operation") return false;
  return expr.operands.every(
    (one) => one.kind === "literal" || isUndefined(one) || mentions(one, alt, { trace } as TemplateSource),
  );
}

function isUndefined(expr: Expr): boolean {
  return expr.kind === "name" && expr.name === "undefined";
}

function mismatch(message: string): Refusal {
  return new Refusal("helper-mismatch", message);
}
