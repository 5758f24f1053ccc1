import { baseOf, type Value } from "../flow/value.ts";
import type { CallExpr, Expr } from "../form/form.ts";
import type { ReshapeForm } from "../helper/helper-form.ts";
import { sourceOfName } from "./origin.ts";
import type { TemplateSource } from "./template.ts";

/** One side of a copy: the norm's own call, what goes into the step, and what comes out. */
export interface ReshapedSide {
  readonly call: CallExpr;
  /** What the norm is given. */
  readonly given: Value;
  readonly input: Value;
  readonly result: Value;
}

const likes = new Set(["view_as", "viewAs", "reshape_as", "reshapeAs"]);
const reshapes = new Set(["reshape", "view", ...likes]);

/** How a side makes rows of heads and undoes it; undefined when the function itself does not show it. */
export function reshapeFormOf(side: ReshapedSide, source: TemplateSource): ReshapeForm | undefined {
  const { values } = source.trace;
  const made = [...values].find(([expr, value]) => value === side.given && isReshape(expr))?.[0];
  const rows = spellingOf(made ?? side.call.args[0]?.value, source);
  if (rows === undefined) return undefined;
  const undone = [...values].find(([expr, value]) => value === side.result && isReshape(expr))?.[0];
  const back = undone && spellingOf(undone, source);
  const found = [...rows.origins, ...(back?.origins ?? [])];
  const origins = found.filter(({ local }, i) => found.findIndex((one) => one.local === local) === i);
  if (source.form.language === "python") return { ...pythonForm(rows, back ?? rows, undone), origins };
  return {
    rows: callText(rows, rows.isList ? "[-1, $dim]" : "-1, $dim"),
    back: backText(back ?? { ...rows, isSpread: !rows.isList }, shapeOf(side.input, source)),
    origins,
  };
}

/** Every array library of Python has `x.reshape(-1, d)`, which also takes what `view` would refuse. */
function pythonForm(rows: Spelling, back: Spelling, undone: Expr | undefined): Omit<ReshapeForm, "origins"> {
  if (!rows.isMethod) return { rows: callText(rows, "(-1, $dim)"), back: callText(back, "$like.shape") };
  const before =
    undone?.kind === "call" && undone.callee.kind === "attribute" ? undone.callee.object : undefined;
  const isCopied = before?.kind === "call" && nameOf(before.callee) === "contiguous";
  const isView = back.name.startsWith("view") && undone !== undefined && !isCopied;
  return { rows: "$x.reshape(-1, $dim)", back: `$x.${isView ? "view" : "reshape"}($like.shape)` };
}

interface Spelling extends Pick<ReshapeForm, "origins"> {
  readonly name: string;
  /** `x.reshape(...)`, not `ops.reshape(x, ...)`. */
  readonly isMethod: boolean;
  /** The sizes are one list, not an argument each. */
  readonly isList: boolean;
  readonly isSpread: boolean;
}

function spellingOf(expr: Expr | undefined, source: TemplateSource): Spelling | undefined {
  if (!isReshape(expr)) return undefined;
  const { form, trace, project } = source;
  const { callee, args } = expr;
  const [first] = args;
  if (first === undefined) return undefined;
  const value = trace.values.get(callee);
  const isSize = first.value.kind === "tuple" || first.value.kind === "literal" || first.spread;
  const isFree = value?.kind === "free" || (value?.kind === "attribute" && value.object.kind === "free");
  const isShape = trace.values.get(first.value)?.kind === "shape";
  const isMethod = callee.kind === "attribute" && (isSize || isShape || !isFree);
  // Code of another function: whether a name there is a module or a tensor is not known here.
  if (value === undefined && !isSize) return undefined;
  const sizes = isMethod ? args : args.slice(1);
  const isList = sizes.length === 1 && sizes[0]?.spread === false;
  const common = { isMethod, isList, isSpread: sizes[0]?.spread ?? false };
  if (isMethod) return { ...common, name: nameOf(callee) ?? "", origins: [] };
  const name = form.text.slice(callee.span.start, callee.span.end);
  const found = sourceOfName(name, form, project);
  return found.kind === "import" ? { ...common, name, origins: [found.origin] } : undefined;
}

function backText(back: Spelling, shape: string): string {
  if (likes.has(back.name)) return callText(back, "$like");
  return callText(back, `${back.isSpread ? "..." : ""}$like${shape}`);
}

function callText({ name, isMethod }: Spelling, sizes: string): string {
  return isMethod ? `$x.${name}(${sizes})` : `${name}($x, ${sizes})`;
}

/** How the copy asks for a shape: `.shape`, `.size()`. */
function shapeOf(input: Value, { trace }: TemplateSource): string {
  const reads = [...trace.values].filter(
    ([, value]) => value.kind === "shape" && baseOf(value.of) === baseOf(input),
  );
  const isProperty = reads.length === 0 || reads.some(([{ kind }]) => kind === "attribute");
  if (isProperty) return ".shape";
  const call = reads.find(([expr]) => expr.kind === "call" && expr.args.length === 0)?.[0] as
    | CallExpr
    | undefined;
  return `.${(call && nameOf(call.callee)) ?? "shape"}${call === undefined ? "" : "()"}`;
}

function isReshape(expr: Expr | undefined): expr is CallExpr {
  return expr?.kind === "call" && reshapes.has(nameOf(expr.callee) ?? "");
}

function nameOf(callee: Expr): string | undefined {
  return callee.kind === "attribute" || callee.kind === "name" ? callee.name : undefined;
}
