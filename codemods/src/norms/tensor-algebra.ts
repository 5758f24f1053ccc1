import type { Value } from "../flow/value.ts";

/** One step of arithmetic, whether it is written as an operator, a method of a tensor or a function of an array library. */
export interface Operation {
  /** `+`, `-`, `*`, `/`, `**`; `rsqrt`, `mean` and other names as they are. */
  readonly name: string;
  readonly of: readonly Value[];
}

const casts = new Set(
  "to float type type_as astype asType half bfloat16 double cast contiguous asContiguous clone detach".split(
    " ",
  ),
);

const operators: Readonly<Record<string, string>> = {
  add: "+",
  sub: "-",
  subtract: "-",
  mul: "*",
  multiply: "*",
  times: "*",
  div: "/",
  divide: "/",
  true_divide: "/",
  pow: "**",
  power: "**",
};

const unary = new Set(
  "rsqrt sqrt square reciprocal mean sum var std abs exp log sigmoid tanh silu relu gelu softmax clamp clip amax max norm".split(
    " ",
  ),
);
const others = new Set(
  "addcmul addcdiv cat concat concatenate chunk split stack where maximum minimum lerp einsum".split(" "),
);
const arithmetic = new Set(["+", "-", "*", "/", "**", "@", "%", "//"]);

/** Undefined for what is no arithmetic, such as the call of a kernel. */
export function operationOf(value: Value): Operation | undefined {
  if (value.kind === "operation") {
    const { operator, operands } = value;
    return arithmetic.has(operator) ? { name: operator, of: operands } : undefined;
  }
  if (value.kind !== "call") return undefined;
  const { callee, args } = value;
  if (callee.kind !== "free" && callee.kind !== "attribute") return undefined;
  const operator = operators[callee.name];
  if (operator === undefined && !unary.has(callee.name) && !others.has(callee.name)) return undefined;
  const isMethod =
    callee.kind === "attribute" && !isModule(callee.object, args, operator === undefined ? 1 : 2);
  return { name: operator ?? callee.name, of: isMethod ? [callee.object, ...args] : args };
}

/** `torch` of `torch.mul(a, b)`, `this.mx` of `this.mx.mul(a, b)`. */
function isModule(object: Value, args: readonly Value[], count: 1 | 2): boolean {
  if (object.kind === "free") return true;
  if (object.kind !== "attribute") return false;
  if (object.object.kind !== "self") return isModule(object.object, args, count);
  return args.length >= count && args[0]!.kind !== "literal";
}

/** The tensor under changes of its dtype, and of where it lies. */
export function withoutCasts(value: Value): Value {
  if (value.kind === "await") return withoutCasts(value.of);
  if (value.kind === "attribute" && value.name === "data") return withoutCasts(value.object);
  if (value.kind === "choice") {
    const [then, otherwise] = [withoutCasts(value.then), withoutCasts(value.otherwise)];
    return then === otherwise ? then : value;
  }
  if (value.kind !== "call" || value.callee.kind !== "attribute" || !casts.has(value.callee.name))
    return value;
  const { object } = value.callee;
  return withoutCasts(object.kind === "free" && value.args[0] !== undefined ? value.args[0] : object);
}
