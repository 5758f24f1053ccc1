import type { CallExpr, ClassForm, Expr } from "../form/form.ts";
import { exprsIn } from "./norm-kind.ts";

const makers = /^(?:ones|zeros|empty|full|rand|randn|fill)(?:_like)?$/;
const weights = /^#?_?(?:weight|w|gamma|scale|g)$/;
const reducers = /^(?:mean|sum|var|std|norm)$/;

/**
 * Whether the code of a norm class shows that it is not one weight for each column of the last axis: its weight has several axes, or
 * a width that it computes, or it takes the mean over something else than the last axis.
 */
export function isOtherThanRows(cls: ClassForm): boolean {
  const steps = cls.methods.map(({ body }) => body);
  const made = weightsIn(steps).some((value) => exprsIn(value).some(makesOther)) || holdsNorms(steps);
  const forward = cls.methods.find(({ name }) => /^(?:forward|__call__|call|apply)$/.test(name));
  return made || (forward !== undefined && exprsIn(forward.body).some(mixesHeads));
}

/** A norm for each head: `self.norms = ModuleList([LayerNorm(dim) for _ in range(heads)])`. */
function holdsNorms(node: unknown): boolean {
  if (Array.isArray(node)) return node.some(holdsNorms);
  if (typeof node !== "object" || node === null) return false;
  const { kind, target, value } = node as { kind?: string; target?: { kind: string }; value?: Expr };
  if (kind === "assign" && target?.kind === "attribute" && value !== undefined && listsNorms(value))
    return true;
  return Object.values(node).some(holdsNorms);
}

function listsNorms(value: Expr): boolean {
  const isList = value.kind === "tuple" || (value.kind === "opaque" && value.what === "comprehension");
  if (isList)
    return opaqueParts(value).some((one) => one.kind === "call" && /norm/i.test(nameOf(one.callee)));
  if (value.kind !== "call") return false;
  return [value.callee, ...value.args.map((arg) => arg.value)].some(
    (one) => listsNorms(one) || (one.kind === "attribute" && listsNorms(one.object)),
  );
}

function opaqueParts(value: Expr): readonly Expr[] {
  if (value.kind === "opaque") return value.parts;
  return value.kind === "tuple" ? value.items : [];
}

/** Whether a tensor is made with more than one axis that counts, `ones(heads, dim)`, with none, `ones(1)`, or with a computed one, `ones(heads * dim)`. */
function makesOther(expr: Expr): boolean {
  if (expr.kind !== "call" || !makers.test(nameOf(expr.callee))) return false;
  const sizes = sizesOf(expr);
  return isOtherShape(sizes) || (nameOf(expr.callee) !== "fill" && sizes.every(isOne));
}

export function sizesOf({ callee, args }: CallExpr): readonly Expr[] {
  const [first] = args;
  if (first?.value.kind === "tuple") return first.value.items;
  const sizes = args.filter(({ keyword }) => keyword === undefined).map(({ value }) => value);
  // `full(shape, value)`
  return nameOf(callee) === "full" ? sizes.slice(0, 1) : sizes;
}

function isOtherShape(sizes: readonly Expr[]): boolean {
  const counted = sizes.filter(
    (size) => size.kind !== "literal" || (size.value !== 1 && typeof size.value === "number"),
  );
  return (
    counted.length > 1 ||
    counted.some((size) => size.kind === "operation" && /^[-+*/%]+$/.test(size.operator))
  );
}

function isOne(size: Expr): boolean {
  return size.kind === "literal" && size.value === 1;
}

/** A mean over several axes, or over one that is not the last; heads that are put together before. */
function mixesHeads(expr: Expr): boolean {
  if (expr.kind !== "call") return false;
  const name = nameOf(expr.callee);
  if (name === "flatten") return expr.args.length > 0;
  if (!reducers.test(name)) return false;
  const named = expr.args.find(({ keyword }) => /^(?:dim|axis|axes)$/.test(keyword ?? ""));
  const axis = named?.value ?? expr.args.find(({ value }) => isAxes(value))?.value;
  if (axis?.kind === "tuple") return axis.items.length > 1 || axis.items.some(isFromBehind);
  return axis !== undefined && isFromBehind(axis);
}

function isAxes(expr: Expr): boolean {
  return expr.kind === "tuple" || (expr.kind === "literal" && typeof expr.value === "number");
}

/** -2 and before: counted from the front it may be the last one. */
function isFromBehind(axis: Expr): boolean {
  return axis.kind === "literal" && typeof axis.value === "number" && axis.value < -1;
}

/** What `this.weight` and its like are given. */
function weightsIn(node: unknown): readonly Expr[] {
  if (Array.isArray(node)) return node.flatMap(weightsIn);
  if (typeof node !== "object" || node === null) return [];
  const { kind, target, value } = node as {
    kind?: string;
    target?: { kind: string; name?: string };
    value?: Expr;
  };
  const isWeight = kind === "assign" && target?.kind === "attribute" && weights.test(target.name ?? "");
  return [...(isWeight && value ? [value] : []), ...Object.values(node).flatMap(weightsIn)];
}

function nameOf(expr: Expr): string {
  return expr.kind === "name" || expr.kind === "attribute" ? expr.name : "";
}
