import { classifyName, splitWords } from "../names.ts";
import type { Value, ValueTable } from "./value.ts";

/** A call with its arguments worked out. */
export interface CallParts {
  readonly callee: Value;
  readonly args: readonly { readonly value: Value; readonly keyword?: string; readonly spread: boolean }[];
}

const reshapes = new Set(["reshape", "view", "unflatten"]);
const likes = new Set(["view_as", "viewAs", "reshape_as", "reshapeAs"]);
const sameTensor = new Set(["contiguous", "asContiguous"]);
const shapeReads = new Set(["size", "shape"]);
const shapeCopies = new Set(["list", "tuple", "Array.from"]);
const forwards = new Set(["forward", "apply", "call", "__call__", "forward_native", "forward_cuda"]);

/** The value of a call that only looks at a tensor in another way, or undefined. */
export function viewCall({ callee, args }: CallParts, values: ValueTable): Value | undefined {
  const name = calleeName(callee);
  if (name === undefined) return undefined;
  // `ops.reshape(x, shape)` of a module, or `x.reshape(shape)` of a tensor from outside: the first argument tells.
  const [first] = args;
  const takesTensor =
    first !== undefined && isTensor(first.value) && first.value.kind !== "tuple" && !first.spread;
  const isFunction =
    callee.kind === "free" || (callee.kind === "attribute" && callee.object.kind === "free" && takesTensor);
  const tensor = isFunction ? args[0]?.value : callee.kind === "attribute" ? callee.object : undefined;
  const rest = isFunction ? args.slice(1) : args;
  if (tensor === undefined) return undefined;
  if (sameTensor.has(name) && rest.length === 0) return tensor;
  if (likes.has(name) && rest.length === 1) {
    return values.reshape(tensor, values.of({ kind: "shape", of: rest[0]!.value }));
  }
  if (shapeReads.has(name) && rest.length === 0) return values.of({ kind: "shape", of: tensor });
  if (shapeReads.has(name) && rest.length === 1) {
    return values.item(values.of({ kind: "shape", of: tensor }), rest[0]!.value);
  }
  if (isFunction && shapeCopies.has(name) && rest.length === 0 && tensor.kind === "shape") return tensor;
  if (name === "slice" && tensor.kind === "shape" && rest.length === 0) return tensor;
  if (!reshapes.has(name) || rest.length === 0) return undefined;
  return values.reshape(tensor, targetShape(name, rest, values));
}

function targetShape(name: string, args: CallParts["args"], values: ValueTable): Value {
  const [first, second] = args;
  // unflatten(-1, (heads, D)) splits the last axis; what counts for a norm over it is D alone.
  if (name === "unflatten" && second?.value.kind === "tuple") {
    return values.of({
      kind: "tuple",
      items: [values.of({ kind: "free", name: "..." }), ...second.value.items],
    });
  }
  if (
    args.length === 1 &&
    (first!.spread || first!.value.kind === "tuple" || first!.value.kind === "shape")
  ) {
    return first!.value;
  }
  if (args.length === 1 && first!.value.kind !== "literal") return first!.value;
  return values.of({ kind: "tuple", items: args.map(({ value }) => value) });
}

/** A norm applied to one tensor: `norm.forward(x)`, `norm(x)`, `rmsNorm(x, weight, eps)`; or undefined. */
export function normCall(
  { callee, args }: CallParts,
  values: ValueTable,
): { norm: Value; of: Value; extra: readonly Value[]; style: "module" | "function" } | undefined {
  const isForward = callee.kind === "attribute" && forwards.has(callee.name);
  const module = isForward ? callee.object : callee;
  if (args.length === 1 && !args[0]!.spread && namesNorm(module)) {
    return { norm: module, of: args[0]!.value, extra: [], style: "module" };
  }
  // `RMSNorm(self.q_size, eps)` builds a norm: classes are written with a capital, in both languages.
  if (isForward || /^[A-Z]/.test(calleeName(callee) ?? "")) return undefined;
  const gamma = args.findIndex(({ value }) => namesNorm(value));
  // A function that is given both norms is the shared helper, or another one like it, not a norm.
  if (args.filter(({ value }) => namesNorm(value)).length > 1) return undefined;
  const isNamed = nameKind(callee) === "norm" || nameKind(callee) === "qk-norm";
  if (gamma === -1 && !isNamed) return undefined;
  const tensor = args.findIndex(({ value }, i) => i !== gamma && isTensor(value));
  if (tensor === -1) return undefined;
  const extra = args.filter((_, i) => i !== gamma && i !== tensor).map(({ value }) => value);
  const norm = gamma === -1 ? callee : args[gamma]!.value;
  return {
    norm,
    of: args[tensor]!.value,
    extra: [callee, values.literal(tensor), ...extra],
    style: "function",
  };
}

/** Whether the value is a norm of q or k by its name: an attribute, or a variable from outside. */
export function namesNorm(value: Value): boolean {
  return nameKind(value) === "qk-norm" || /^#?_?v_?(?:layer_?)?norm$/i.test(calleeName(value) ?? "");
}

function nameKind(value: Value): string {
  const name = calleeName(value);
  return name === undefined ? "other" : classifyName(name);
}

function isTensor(value: Value): boolean {
  return value.kind !== "literal" && value.kind !== "shape" && value.kind !== "self";
}

export function calleeName(value: Value): string | undefined {
  if (value.kind === "attribute") return value.name;
  if (value.kind === "free" || value.kind === "param") return value.name;
  return undefined;
}

/** `torch.cuda.stream(s)`, `stream.run`, `alt.waitFor(main)`: about streams, not about tensors. */
export function isAboutStreams(value: Value): boolean {
  switch (value.kind) {
    case "attribute":
      return splitWords(value.name).includes("stream") || isAboutStreams(value.object);
    case "free":
    case "param":
      return splitWords(value.name).includes("stream");
    case "call":
      return isAboutStreams(value.callee) || value.args.some(isAboutStreams);
    default:
      return false;
  }
}
