import { calleeName } from "../flow/tensor-calls.ts";
import { isSpread, type Value, type ValueOf } from "../flow/value.ts";
import { meaningOfSize } from "../norms/norm-axis.ts";

/** One axis of a tensor that was cut into heads. */
export interface Axis {
  /** What it counts; `batch` stands for all leading axes whose number is not written down. */
  readonly of: "head dim" | "heads" | "batch" | "other";
  /** As the code says it; undefined where it does not. */
  readonly size?: Value;
}

export type Axes = readonly Axis[];

/** Names of methods and functions that reorder axes. */
const transposers: ReadonlySet<string> = new Set([
  "transpose", "transposeAxes", "transpose_axes", "permute", "swapaxes", "swapAxes", "swapdims", "movedim", "moveaxis",
]); // biome-ignore format: a word list
/** What gives a tensor with the axes of the one that it is called on. */
export const sameAxes =
  /^(?:to|float|half|bfloat16|double|type|type_as|typeAs|astype|asType|cast|clone|copy|detach|contiguous|asContiguous)$/;

/**
 * The axes of a tensor, followed from where it is cut into heads through transposes, casts, pieces and arithmetic. Undefined where that
 * cannot be told.
 */
export function axesOf(value: Value): Axes | undefined {
  if (!known.has(value)) known.set(value, followed(value));
  return known.get(value);
}

// Values share parts, so that without this a long function would be walked through again and again.
const known = new WeakMap<Value, Axes | undefined>();

/** Where the heads stand: `[..., T, H, D]`, `[..., H, T, D]`. Undefined for any other order, or one that is not known. */
export function headOrderOf(axes: Axes | undefined): "tokens-first" | "heads-first" | undefined {
  if (axes?.at(-1)?.of !== "head dim") return undefined;
  if (axes.at(-2)?.of === "heads") return "tokens-first";
  return axes.at(-3)?.of === "heads" ? "heads-first" : undefined;
}

function followed(value: Value): Axes | undefined {
  switch (value.kind) {
    case "reshape":
      return axesOfCut(value.to);
    case "owned":
    case "await":
      return axesOf(value.of);
    case "item":
      return axesOfPiece(value);
    case "operation":
      return axesOfResult(value);
    case "choice":
      return agreed([value.then, value.otherwise]);
    case "call":
      return axesOfCall(value);
    default:
      return undefined;
  }
}

/** `[B, T, heads, D]`, `(*shape[:-1], -1, D)`: the last is the head dim, and beside it or by its name stands the heads' axis. */
function axesOfCut(to: Value): Axes | undefined {
  if (to.kind !== "tuple" || to.items.length < 3) return undefined;
  const sizes = to.items;
  const last = sizes.at(-1)!;
  const beside = sizes.at(-2)!;
  const isRest = isLiteral(last, -1) && meaningOfSize(beside) === "head-count";
  if ((meaningOfSize(last) !== "head-dim" || isTiny(last)) && !isRest) return undefined;
  const counts = sizes.flatMap((size, i) => (meaningOfSize(size) === "head-count" ? [i] : []));
  const heads = counts.length === 1 ? counts[0] : sizes.length - 2;
  return sizes.map((size, i): Axis => {
    if (i === sizes.length - 1) return isRest ? { of: "head dim" } : { of: "head dim", size };
    if (i === heads) return { of: "heads", size };
    // Behind `unflatten` the axes before the last are those that were there, however many.
    const isRestOfShape = isSpread(size) || (size.kind === "free" && size.name === "...");
    return isRestOfShape ? { of: "batch" } : { of: "other", size };
  });
}

/** Of `q * mask` those of q: what stands on the right may be stretched to it. */
function axesOfResult({ operator, operands }: ValueOf<"operation">): Axes | undefined {
  const [left] = operands;
  return left !== undefined && /^[-+*/]$/.test(operator) ? axesOf(left) : undefined;
}

function agreed(values: readonly Value[]): Axes | undefined {
  const all = values.map(axesOf);
  const [first] = all;
  const isSame = (axes: Axes | undefined) =>
    axes !== undefined && first !== undefined && orderOf(axes) === orderOf(first);
  return all.every(isSame) ? first : undefined;
}

function orderOf(axes: Axes): string {
  return axes.map((axis) => axis.of).join();
}

/** `packed[0]`, `q, k, v = packed`, a part of `split` or `chunk`. */
function axesOfPiece({ of, index }: ValueOf<"item">): Axes | undefined {
  const name = of.kind === "call" ? calleeName(of.callee) : undefined;
  if (of.kind === "call" && /^(?:chunk|split|tensor_split)$/.test(name ?? "")) {
    const cut = axesOf(receiverOf(of) ?? of);
    // Along which axis is not asked: a part may have another size on each of them.
    return cut?.map(({ of: what }) => ({ of: what }));
  }
  if (of.kind === "call" && name === "unbind") {
    const whole = axesOf(receiverOf(of) ?? of);
    const axis = numberOf(argumentsOf(of)[0]) ?? 0;
    return whole && without(whole, axis);
  }
  if (of.kind === "call" && isRotary(of)) {
    const place = numberOf(index);
    return place === undefined ? undefined : axesOf(of.args[place] ?? of.callee);
  }
  const whole = index.kind === "literal" ? axesOf(of) : undefined;
  return whole && without(whole, 0);
}

function axesOfCall(call: ValueOf<"call">): Axes | undefined {
  const name = calleeName(call.callee) ?? "";
  const receiver = receiverOf(call);
  if (receiver === undefined) return undefined;
  if (sameAxes.test(name)) return axesOf(receiver);
  if (isRotary(call)) return agreed(call.args.slice(0, 1));
  if (!transposers.has(name)) return undefined;
  const axes = axesOf(receiver);
  return axes && reordered(axes, name, argumentsOf(call));
}

function isRotary(call: ValueOf<"call">): boolean {
  return /rope|rotary|rotate/i.test(calleeName(call.callee) ?? "");
}

/** The tensor that a method is called on, or that a function of a module is given first: `mx.transpose(q, axes)`. */
function receiverOf({ callee, args }: ValueOf<"call">): Value | undefined {
  if (callee.kind !== "attribute") return isRotary({ callee, args } as ValueOf<"call">) ? args[0] : undefined;
  return isOfModule(callee, args) ? args[0] : callee.object;
}

function argumentsOf({ callee, args }: ValueOf<"call">): readonly Value[] {
  return callee.kind === "attribute" && isOfModule(callee, args) ? args.slice(1) : args;
}

function isOfModule({ object }: ValueOf<"attribute">, [first]: readonly Value[]): boolean {
  return object.kind === "free" || (first !== undefined && tensorKinds.has(first.kind));
}

const tensorKinds = new Set<Value["kind"]>(["call", "reshape", "item", "norm", "owned", "await", "choice"]);

function reordered(axes: Axes, name: string, args: readonly Value[]): Axes | undefined {
  const [first] = args;
  const list = args.length === 1 && first?.kind === "tuple" ? first.items : args;
  const places = list.map(numberOf);
  if (places.some((place) => place === undefined)) return undefined;
  const wanted = places as readonly number[];
  const isSwap = wanted.length === 2 && (name === "transpose" || name.toLowerCase().startsWith("swap"));
  // A place counted from the front says how many axes there are before the heads: a batch and its tokens, as everywhere.
  const isFromFront = wanted.some((place) => place >= 0);
  const whole = isFromFront ? withBatch(axes, isSwap ? Math.max(...wanted) + 1 : wanted.length) : axes;
  if (whole === undefined) return undefined;
  const at = (place: number) => (place < 0 ? whole.length + place : place);
  if (isSwap) {
    const [a, b] = wanted.map(at) as [number, number];
    return whole[a] && whole[b] && whole.map((axis, i) => whole[i === a ? b : i === b ? a : i] ?? axis);
  }
  const isWhole = wanted.length === whole.length && new Set(wanted.map(at)).size === whole.length;
  return isWhole && !/move/.test(name) ? wanted.map((place) => whole[at(place)]!) : undefined;
}

/** `[B, T, 1]` is made to be stretched, not cut into heads. */
function isTiny(size: Value): boolean {
  return (numberOf(size) ?? Number.POSITIVE_INFINITY) < 4;
}

/** With each of the leading axes by itself; a swap of two of them only says how many there are at least. */
function withBatch(axes: Axes, atLeast: number): Axes | undefined {
  const place = axes.findIndex((axis) => axis.of === "batch");
  if (place === -1) return axes.length >= atLeast ? axes : undefined;
  const rest = axes.length - 1;
  const leading = Math.max(2, atLeast - rest);
  const single = Array.from({ length: leading }, (): Axis => ({ of: "other" }));
  return [...axes.slice(0, place), ...single, ...axes.slice(place + 1)];
}

function without(axes: Axes, index: number): Axes | undefined {
  const place = index < 0 ? axes.length + index : index;
  return axes[place]?.of === "other" ? axes.toSpliced(place, 1) : undefined;
}

function numberOf(value: Value | undefined): number | undefined {
  return value?.kind === "literal" && typeof value.value === "number" ? value.value : undefined;
}

function isLiteral(value: Value, wanted: number): boolean {
  return numberOf(value) === wanted;
}
