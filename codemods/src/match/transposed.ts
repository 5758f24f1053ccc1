import { calleeName } from "../flow/tensor-calls.ts";
import type { Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { FunctionForm, Step } from "../form/form.ts";
import { ownerOf } from "../form/per-form.ts";
import type { Place } from "../languages/front-end.ts";
import { exprsIn } from "../norms/norm-kind.ts";
import type { Project } from "../project/project.ts";
import { layersOf } from "./aliases.ts";

const calls =
  /^(?:transpose\w*|permute\w*|swap_?axes|swap_?dims|move_?axis|move_?dim|roll_?axis|adjoint|t)$/i;
const attributes = new Set(["T", "mT", "H", "mH"]);

/** A callee as the flow has it, or as it is written. */
interface Callee {
  readonly kind: string;
  readonly name?: string;
  readonly object?: { readonly kind: string };
}

export interface TransposeQuestion {
  readonly trace: Trace;
  readonly place: Place;
  readonly project: Project;
}

/**
 * Whether the heads may have been moved away from the head dim, as far back as the projection, also before RoPE or a cast: by a method,
 * a function, an attribute, a pattern of axes, or in code that another call runs.
 */
export function hasTransposed(value: Value, question: TransposeQuestion): boolean {
  const seen = new Set<Value>();
  const pending = [value];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (seen.has(one)) continue;
    seen.add(one);
    if (transposes(one, question)) return true;
    pending.push(...madeFrom(one, question.trace));
  }
  return false;
}

function madeFrom(value: Value, trace: Trace): readonly Value[] {
  const layers = layersOf(value).slice(1);
  if (layers.length > 0) return layers;
  switch (value.kind) {
    case "operation":
      return value.operands;
    case "choice":
      return [value.then, value.otherwise];
    case "attribute":
      return [value.object];
    case "await":
      return [value.of];
    case "tuple":
      return value.items;
    case "unknown":
      return trace.contents.get(value) ?? [];
    case "call":
      if (isProjected(value)) return [];
      return [...value.args, ...(value.callee.kind === "attribute" ? [value.callee.object] : [])];
    default:
      return [];
  }
}

function transposes(value: Value, question: TransposeQuestion): boolean {
  if (value.kind === "attribute") return attributes.has(value.name);
  if (value.kind === "unknown") {
    const body = question.trace.closures.get(value)?.body;
    return body !== undefined && (mentionsTranspose(body) || callsTranspose(body, question));
  }
  if (value.kind !== "call") return false;
  const name = calleeName(value.callee) ?? "";
  if (calls.test(name)) return true;
  const patterns = value.args.flatMap((arg) =>
    arg.kind === "literal" && typeof arg.value === "string" ? [arg.value] : [],
  );
  if (patterns.some(reorders)) return true;
  const code = isProjected(value) ? undefined : codeOf(value.callee, question);
  return code !== undefined && mentionsTranspose(code.body);
}

/** `b l (h d) -> b h l d`: the axes come in another order; `b l (h d) -> b l h d`: they do not. */
function reorders(pattern: string): boolean {
  const [left, right, ...more] = pattern.split("->");
  if (left === undefined || right === undefined || more.length > 0) return false;
  const isEinsum = !/\s/.test(pattern.trim().replace(/\s*(?:->|,)\s*/g, ""));
  if (isEinsum) return /h.*[lstn]/.test(right.split(",")[0] ?? "");
  const [before, after] = [left, right].map(
    (side): readonly string[] => side.match(/[A-Za-z_]\w*/g) ?? [],
  ) as [readonly string[], readonly string[]];
  const kept = before.filter((axis) => after.includes(axis));
  return kept.join(" ") !== after.filter((axis) => before.includes(axis)).join(" ");
}

/** A closure that leaves the transpose to a function or method in reach: `map(lambda t: self._heads(t), (q, k))`. */
function callsTranspose(body: readonly Step[], question: TransposeQuestion): boolean {
  return exprsIn(body).some((expr) => {
    if (expr.kind !== "call") return false;
    const { callee } = expr;
    if (callee.kind !== "name" && callee.kind !== "attribute") return false;
    const object = callee.kind === "attribute" ? callee.object : undefined;
    const code = codeOf(object === undefined ? { ...callee, kind: "free" } : { ...callee, object }, question);
    return code !== undefined && mentionsTranspose(code.body);
  });
}

/** The code of a method of the same class, or of a function in reach. */
function codeOf(callee: Callee, { place, project }: TransposeQuestion): FunctionForm | undefined {
  if (callee.kind === "attribute" && callee.object?.kind === "self") {
    const owner = ownerOf(place.fn, place.form);
    return owner?.methods.find(({ name }) => name === callee.name);
  }
  if (callee.kind !== "free" || callee.name === undefined) return undefined;
  const found = project.resolveFunction(callee.name, place.form);
  return found !== undefined && "declaration" in found ? found.declaration : undefined;
}

function mentionsTranspose(code: unknown): boolean {
  return exprsIn(code).some((expr) => {
    if (expr.kind === "attribute") return calls.test(expr.name) || attributes.has(expr.name);
    if (expr.kind === "name") return calls.test(expr.name) && expr.name.length > 1;
    return expr.kind === "literal" && typeof expr.value === "string" && reorders(expr.value);
  });
}

/** `this.qProj.forward(x)` and nothing after it. */
export function isProjected(value: Value): boolean {
  if (value.kind === "choice") return isProjected(value.then) || isProjected(value.otherwise);
  if (value.kind !== "call" || value.callee.kind !== "attribute") return false;
  const { name, object } = value.callee;
  return /proj/i.test(name) || ("name" in object && /proj/i.test(object.name));
}
