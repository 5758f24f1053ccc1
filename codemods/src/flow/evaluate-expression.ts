import type { Expr, FunctionForm, NameExpr, Step } from "../form/form.ts";
import { childrenOf } from "../form/traversal.ts";
import type { Env, Evaluation } from "./evaluation.ts";
import { isSpread, type Value } from "./value.ts";

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
      const items = expr.items.map((item) => {
        if (item.kind !== "opaque" || item.what !== "spread" || item.parts.length !== 1) return inner(item);
        const spread = values.spread(inner(item.parts[0]!));
        evaluation.note(item, spread, evaluation.lastOrder);
        return spread;
      });
      const [only] = items;
      const whole = items.length === 1 && only?.kind === "operation" && isSpread(only) && only.operands[0];
      return whole && whole.kind === "shape" ? whole : values.of({ kind: "tuple", items });
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
      return evaluation.closure(
        { params: expr.params, body: expr.body, fn: evaluation.at.fn, env },
        visitClosure(evaluation, expr, env),
      );
    case "opaque": {
      const parts = expr.parts.map(inner);
      const value = evaluation.unknown(parts);
      const [target] = expr.what === "assignment" ? expr.parts : [];
      if (target !== undefined) assignInside(evaluation, target, value, env);
      // `[y := x for x in xs]`: what it assigns comes from anything in it.
      if (expr.what === "comprehension")
        for (const inside of assignedIn(expr)) assignInside(evaluation, inside, value, env);
      return value;
    }
    default:
      return expr satisfies never;
  }
}

/**
 * A closure may run at any time, so each of its reads of outer variables counts where it is written. Gives what it sees there: the
 * variables around it and the defaults of its parameters.
 */
export function visitClosure(
  evaluation: Evaluation,
  { params, body, span }: Pick<Extract<Expr, { kind: "closure" }>, "params" | "body" | "span">,
  env: Env,
): readonly Value[] {
  const inner = new Set(params.map(({ name }) => name));
  const read = namesReadBy(body).filter(({ name }) => !inner.has(name));
  evaluation.capture(new Set(read.map(({ name }) => name)), span);
  const defaults = params.flatMap(({ initial }) =>
    initial === undefined ? [] : [evaluate(evaluation, initial, env)],
  );
  return [...defaults, ...read.map((one) => evaluation.read(one, env))];
}

/** `(a := b)`, `f((a = b))`, `a = b = c`: each variable on the left may be what is on the right, or what it was. */
export function assignInside(evaluation: Evaluation, target: Expr, value: Value, env: Env): void {
  if (target.kind === "name") evaluation.define(target.name, value, env, evaluation.at.step);
  else if (target.kind === "attribute" || target.kind === "index")
    evaluation.store(value, evaluation.at.step);
  else for (const part of childrenOf(target)) assignInside(evaluation, part, value, env);
}

/** The targets of the assignments in an expression. */
function assignedIn(expr: Expr): readonly Expr[] {
  const target = expr.kind === "opaque" && expr.what === "assignment" ? expr.parts.slice(0, 1) : [];
  return [...target, ...childrenOf(expr).flatMap(assignedIn)];
}

/** A closure is come to again wherever its function is inlined. */
const known = new WeakMap<readonly Step[], readonly NameExpr[]>();

function namesReadBy(body: readonly Step[]): readonly NameExpr[] {
  let names = known.get(body);
  if (names === undefined) {
    names = namesReadIn(body);
    known.set(body, names);
  }
  return names;
}

/** Every name read anywhere inside; a walk over plain data, so that no kind of node can be forgotten. */
function namesReadIn(body: readonly Step[]): readonly NameExpr[] {
  const found: NameExpr[] = [];
  const visit = (node: object): void => {
    // Of a function, what it runs: to ask for its comments takes longer.
    if ("declared" in node) visit(bodyOf(node.declared as FunctionForm));
    else if ((node as { kind?: unknown }).kind === "name" && !("declares" in node))
      found.push(node as NameExpr);
    else {
      // Spans are in every node, and hold nothing.
      for (const key in node) {
        const part: unknown = key === "span" ? undefined : node[key as keyof typeof node];
        if (typeof part === "object" && part !== null) visit(part);
      }
    }
  };
  visit(body);
  return found;
}

function bodyOf({ params, body }: FunctionForm): readonly unknown[] {
  return [params, body];
}
