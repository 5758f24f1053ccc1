import type { Argument, ClassForm, Expr, FunctionForm, Step } from "../form/form.ts";
import { dottedName } from "./class-members.ts";

/** Whether a norm that is built has a weight. `unknown`: it depends on something that is not seen. */
export type BuiltWeight = "there" | "missing" | "unknown";

const weights = /^#?_?(?:weight|w|gamma|scale|g)$/;

/**
 * Whether a norm of this class has its weight when it is built with these arguments: `RMSNorm(dim, elementwise_affine=False)` may be
 * one without.
 */
export function builtWeight(cls: ClassForm, args: readonly Argument[]): BuiltWeight {
  const maker = cls.methods.find(({ kind }) => kind === "constructor");
  if (maker === undefined || args.some(({ spread }) => spread)) return "there";
  const flags = flagsOf(maker, args);
  const own = maker.params.find(({ name }) => weights.test(name));
  const isField = own !== undefined && cls.fields.some(({ name }) => name === own.name);
  if (isField && flags.get(own.name) === false) return "missing";
  // Another norm as its base has made one already.
  const isDerived = cls.bases.some((base) => !/Module$/.test(dottedName(base) ?? "Module"));
  return run(maker.body, flags, isDerived ? "there" : undefined) ?? "there";
}

/** What is known to be true or false when the constructor runs, by name. */
type Flags = Map<string, boolean>;

function flagsOf({ params }: FunctionForm, args: readonly Argument[]): Flags {
  const positional = args.filter(({ keyword }) => keyword === undefined);
  return new Map(
    params.flatMap(({ name, initial }, i) => {
      const given = args.find(({ keyword }) => keyword === name) ?? positional[i];
      const known = truthOf(given?.value ?? initial, new Map());
      return known === undefined ? [] : [[name, known] as const];
    }),
  );
}

/** What becomes of the weight in these steps; undefined where they leave it alone. */
function run(steps: readonly Step[], flags: Flags, before: BuiltWeight | undefined): BuiltWeight | undefined {
  return steps.reduce((weight, step) => after(step, flags, weight), before);
}

function after(step: Step, flags: Flags, before: BuiltWeight | undefined): BuiltWeight | undefined {
  if (step.kind === "branch") {
    const known = truthOf(step.test, flags);
    const then = run(step.then, flags, before);
    const otherwise = run(step.otherwise, flags, before);
    if (known !== undefined) return known ? then : (otherwise ?? isLeftOut(then));
    return then === otherwise ? then : "unknown";
  }
  if (step.kind === "scope") return run(step.body, flags, before);
  if (step.kind === "evaluate") return registered(step.value) ?? before;
  if (step.kind !== "assign" || step.target.kind !== "attribute" || step.target.object.kind !== "self")
    return before;
  const { name } = step.target;
  const known = truthOf(step.value, flags);
  if (known === undefined) flags.delete(name);
  else flags.set(name, known);
  return weights.test(name) ? weightIn(step.value, flags) : before;
}

/** A weight that only the other arm would have made. */
function isLeftOut(other: BuiltWeight | undefined): BuiltWeight | undefined {
  return other === "there" ? "missing" : other;
}

function weightIn(value: Expr, flags: Flags): BuiltWeight {
  if (truthOf(value, flags) === false) return "missing";
  if (value.kind !== "choice") return "there";
  const known = truthOf(value.test, flags);
  const [then, otherwise] = [weightIn(value.then, flags), weightIn(value.otherwise, flags)];
  if (known !== undefined) return known ? then : otherwise;
  return then === otherwise ? then : "unknown";
}

/** `self.register_parameter("weight", None)` */
function registered(value: Expr): BuiltWeight | undefined {
  if (value.kind !== "call" || value.callee.kind !== "attribute") return undefined;
  if (!/^register_(?:parameter|buffer)$/.test(value.callee.name)) return undefined;
  const [name, given] = value.args.map((arg) => arg.value);
  const isWeight = name?.kind === "literal" && weights.test(String(name.value));
  if (!isWeight || given === undefined) return undefined;
  return isNothing(given) ? "missing" : "there";
}

function isNothing(value: Expr): boolean {
  return value.kind === "literal" && (value.value === null || value.value === undefined);
}

function truthOf(value: Expr | undefined, flags: Flags): boolean | undefined {
  if (value === undefined) return undefined;
  switch (value.kind) {
    case "literal":
      return isNothing(value) ? false : typeof value.value === "boolean" ? value.value : undefined;
    case "name":
      return flags.get(value.name);
    case "attribute":
      return value.object.kind === "self" ? flags.get(value.name) : undefined;
    case "operation": {
      const [first, second] = value.operands;
      const known = truthOf(first, flags);
      if (value.operator === "!") return known === undefined ? undefined : !known;
      // `weight is None`
      const isAboutNothing = second !== undefined && isNothing(second) && /^[!=]=$/.test(value.operator);
      return isAboutNothing && known === false ? value.operator === "==" : undefined;
    }
    default:
      return undefined;
  }
}
