import type { Definition, Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Expr, FileForm } from "../form/form.ts";
import { Refusal } from "../match/reasons.ts";

/** What is visible at the place that a value is to be written. */
export interface Scope {
  readonly form: FileForm;
  readonly trace: Trace;
  readonly visible: ReadonlyMap<string, Definition>;
}

/** A value as source text for this place: a variable that holds it here, else its path from `this` or a parameter. */
export function renderValue(value: Value, scope: Scope): string {
  const text = rendered(value, scope);
  if (text !== undefined) return text;
  throw new Refusal("ambiguous", "a value that the call needs has no name where the call would stand");
}

function rendered(value: Value, scope: Scope): string | undefined {
  for (const [name, definition] of scope.visible) {
    if (definition.value === value && value.kind !== "unknown") return name;
  }
  switch (value.kind) {
    case "self":
      return selfText(scope);
    case "free":
      return value.name;
    case "attribute": {
      const object = rendered(value.object, scope);
      return object && `${object}.${value.name}`;
    }
    case "literal":
      return JSON.stringify(value.value);
    case "reshape":
      return undefined;
    default:
      return undefined;
  }
}

function selfText({ form, trace }: Scope): string {
  for (const expr of trace.values.keys()) if (expr.kind === "self") return sourceOf(expr, form);
  return form.language === "python" ? "self" : "this";
}

export function sourceOf(expr: Expr, { text }: FileForm): string {
  return text.slice(expr.span.start, expr.span.end);
}
