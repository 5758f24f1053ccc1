import type { Block, Definition, Read, Trace } from "../flow/trace.ts";
import type { Value } from "../flow/value.ts";
import type { Expr, Step } from "../form/form.ts";
import { expressionsOf, pathTo, within } from "../form/traversal.ts";
import { isElsewhere } from "./exclusive.ts";
import { Refusal } from "./reasons.ts";

const views = new Set([
  "slice", "narrow", "split", "chunk", "select", "transpose", "transposeAxes", "permute", "subarray", "unbind",
  "flatten", "squeeze", "unsqueeze", "expand", "detach", "swapaxes", "movedim", "T",
]); // biome-ignore format: a word list
const slices = new Set(["slice", "narrow", "split", "chunk", "select", "subarray", "unbind", "tensor_split"]);
const harmless = new Set(["shape", "dtype", "device", "ndim", "size", "dim", "numel", "is_cuda"]);

/** The tensors that `value` is a view of, itself first. */
export function layersOf(value: Value): readonly Value[] {
  const under = underlying(value);
  return under === undefined ? [value] : [value, ...layersOf(under)];
}

function underlying(value: Value): Value | undefined {
  if (value.kind === "reshape" || value.kind === "item" || value.kind === "owned") return value.of;
  if (value.kind !== "call" || value.callee.kind !== "attribute" || !views.has(value.callee.name))
    return undefined;
  const { object } = value.callee;
  const [first] = value.args;
  // `ops.transpose(q, axes)`, `this.mx.transpose(q, axes)`: of a module the first argument is what is looked at.
  const isModule = object.kind === "free" || (first !== undefined && tensors.has(first.kind));
  return isModule ? first : object;
}

const tensors = new Set<Value["kind"]>(["call", "reshape", "item", "norm", "owned", "await"]);

export interface AliasQuestion {
  readonly input: Value;
  readonly side: string;
  readonly trace: Trace;
  /** Where the helper will stand; what is read later than this sees the normalised memory. */
  readonly block: Block;
  readonly step: Step;
  /** Text that goes, or that the plan has looked at. */
  readonly removed: readonly { readonly start: number; readonly end: number }[];
  /** The later of the two norms, when the helper overwrites nothing: whoever reads after it reads what was read before. */
  readonly last?: Step;
}

/** Throws `aliased-input` when the tensor as it was is still wanted after the helper has run. */
export function refuseAliases(question: AliasQuestion): void {
  const { input, side, trace, step, removed } = question;
  const layers = new Set(layersOf(input));
  const same = new Set([input, baseLayer(input), ...insideOf(baseLayer(input), trace)]);
  const order = trace.steps.get(step)?.order ?? 0;
  const end = question.last?.span.end ?? Number.POSITIVE_INFINITY;
  for (const store of trace.stores) {
    if (layersOf(store.value).includes(input)) throw aliased(side, "is stored before it is normalised");
  }
  for (const read of trace.reads) {
    if (
      read.order < order ||
      read.expr.span.start >= end ||
      removed.some((span) => within(read.expr.span, span))
    )
      continue;
    if (isElsewhere(read.expr.span, question)) continue;
    const reaching = definitionsAt(read.definition, question.block).map(({ value }) => value);
    const isSame = reaching.some((value) => layersOf(value).some((one) => same.has(one)));
    const isPacked = !isSame && reaching.some((value) => layers.has(value));
    if (!isSame && !isPacked) continue;
    const use = useOf(read);
    if (use === "harmless" || (isPacked && use === "slice")) continue;
    throw aliased(side, `is read again as \`${read.expr.name}\` after it is normalised`);
  }
}

/** What a variable may hold when the helper has run: of a branch around the helper, only the arm that it stands in. */
function definitionsAt(definition: Definition, block: Block): readonly Definition[] {
  if (definition.sources.length === 0) return [definition];
  const arm = armOf(definition.step, block);
  const sources = arm === undefined ? definition.sources : [definition.sources[arm]!];
  return sources.flatMap((source) => definitionsAt(source, block));
}

function armOf(step: Step | undefined, block: Block): 0 | 1 | undefined {
  for (let one: Block | undefined = block; one?.parent !== undefined; one = one.parent.block) {
    if (one.parent.step === step && (one.kind === "then" || one.kind === "otherwise"))
      return one.kind === "then" ? 0 : 1;
  }
  return undefined;
}

function aliased(side: string, what: string): Refusal {
  return new Refusal("aliased-input", `${side} as it was before the norm ${what}`);
}

/** What a variable may be that was assigned inside an expression: `if (k := v) is not None`. */
function insideOf(value: Value, trace: Trace): readonly Value[] {
  if (value.kind !== "unknown") return [];
  return (trace.contents.get(value) ?? []).filter(({ kind }) => kind === "item" || kind === "reshape");
}

function baseLayer(value: Value): Value {
  return value.kind === "reshape" ? value.of : value;
}

/** Whether only the tensor's shape or the like is looked at, or it is freed. */
export function isHarmlessRead(read: Read): boolean {
  return useOf(read) === "harmless";
}

function useOf(read: Read): "harmless" | "slice" | "other" {
  const path = expressionsOf(read.step).map((root) => pathTo(root, (one) => one === read.expr));
  const found = path.find((one) => one !== undefined);
  const [parent, grandparent] = [found?.at(-2), found?.at(-3)];
  if (parent?.kind === "attribute" && harmless.has(parent.name)) return "harmless";
  if (parent?.kind === "index") return "slice";
  const isCalled =
    parent?.kind === "attribute" && grandparent?.kind === "call" && grandparent.callee === parent;
  if (isCalled && slices.has(parent.name)) return "slice";
  if (isCalled && parent.name === "dispose") return "harmless";
  return parent?.kind === "call" && isSliceFunction(parent) ? "slice" : "other";
}

function isSliceFunction({ callee }: Extract<Expr, { kind: "call" }>): boolean {
  return callee.kind === "attribute" && slices.has(callee.name);
}
