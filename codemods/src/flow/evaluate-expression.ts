import type { Expr, NameExpr } from "../form/form.ts";
import type { Env, Evaluation } from "./evaluation.ts";
import type { Value } from "./value.ts";

/** The value of an expression, which is written down with the order in which it came. */
export function evaluate(evaluation: Evaluation, expr: Expr, env: Env): Value {
  const order = evaluation.nextOrder();
  const value = compute(evaluation, expr, env);
  evaluation.note(expr, value, order);
  return value;
}

function compute(evaluation: Evaluation, expr: Expr, env: Env): Value {
  const { values } = evaluation;
  const inner = (one: Expr) => evaluate(evaluation, one, env);
  switch (expr.kind) {
    case "name":
      return evaluation.read(expr, env);
    case "self":
      return values.of({ kind: "self" });
    case "attribute": {
      const object = inner(expr.object);
      return expr.name === "shape"
        ? values.of({ kind: "shape", of: object })
        : values.attribute(object, expr.name);
    }
    case "call":
      return evaluation.evaluateCall(evaluation, expr, env);
    case "index":
      return values.item(inner(expr.object), inner(expr.index));
    case "tuple": {
      const items = expr.items.map(inner);
      const [only] = expr.items;
      const spread = items.length === 1 && only?.kind === "opaque" && evaluation.valueOf.get(only.parts[0]!);
      return spread && spread.kind === "shape" ? spread : values.of({ kind: "tuple", items });
    }
    case "literal":
      return values.literal(expr.value);
    case "operation": {
      const operands = expr.operands.map(inner);
      const { operator } = expr;
      const weighted = operator === "*" ? evaluation.weigh(operands) : undefined;
      return weighted ?? values.of({ kind: "operation", operator, operands });
    }
    case "choice":
      return values.choice(inner(expr.test), inner(expr.then), inner(expr.otherwise));
    case "await":
      return values.of({ kind: "await", of: inner(expr.value) });
    case "closure":
      visitClosure(evaluation, expr, env);
      return evaluation.closure({ params: expr.params, body: expr.body, fn: evaluation.at.fn, env });
    case "opaque":
      expr.parts.forEach(inner);
      return evaluation.unknown();
    default:
      return expr satisfies never;
  }
}

/** A closure may run at any time, so each of its reads of outer variables counts where it is written. */
function visitClosure(evaluation: Evaluation, expr: Extract<Expr, { kind: "closure" }>, env: Env): void {
  const inner = new Set(expr.params.map(({ name }) => name));
  for (const read of namesReadIn(expr.body)) if (!inner.has(read.name)) evaluation.read(read, env);
}

/** Every name read anywhere inside; a walk over plain data, so that no kind of node can be forgotten. */
function namesReadIn(node: unknown): readonly NameExpr[] {
  if (Array.isArray(node)) return node.flatMap(namesReadIn);
  if (typeof node !== "object" || node === null) return [];
  if ((node as { kind?: unknown }).kind === "name" && !("declares" in node)) return [node as NameExpr];
  return Object.values(node).flatMap(namesReadIn);
}
