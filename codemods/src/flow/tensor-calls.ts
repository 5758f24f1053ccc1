import { classifyName, forwards, namesBuilder, namesValueNorm, splitWords } from "../candidates/names.ts";
import type { Value, ValueOf, ValueTable } from "./value.ts";

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
/** Words for a function that applies the norm it is given: `applyPerHead(qNorm, q)`. */
const appliers = new Set(["apply", "run", "head", "heads", "checkpoint", "functional"]);

/** The value of a call that only looks at a tensor in another way, or undefined. */
export function viewCall({ callee, args }: CallParts, values: ValueTable): Value | undefined {
  const name = calleeName(callee);
  if (name === undefined) return undefined;
  // `ops.reshape(x, shape)` of a module, or `x.reshape(shape)` of a tensor from outside: the first argument tells.
  const [first] = args;
  const takesTensor =
    first !== undefined && isTensor(first.value) && first.value.kind !== "tuple" && !first.spread;
  // `this.mx.reshape(x, shape)`: a shape behind another argument.
  const takesBoth = takesTensor && args.length === 2 && isShape(args[1]!.value);
  const isFunction =
    callee.kind === "free" ||
    (callee.kind === "attribute" && ((isNamespace(callee.object) && takesTensor) || takesBoth));
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

/** `np`, `torch.Tensor`: what functions of a tensor are called of; a method of a class takes the tensor first, too. */
function isNamespace(value: Value): boolean {
  if (value.kind !== "attribute") return value.kind === "free";
  return /^(?:[A-Z]|ndarray$)/.test(value.name) && isNamespace(value.object);
}

function isShape({ kind }: Value): boolean {
  return kind === "tuple" || kind === "shape";
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
  return values.of({
    kind: "tuple",
    items: args.map(({ value, spread }) => (spread ? values.spread(value) : value)),
  });
}

/** A norm applied to one tensor: `norm.forward(x)`, `norm(x)`, `rmsNorm(x, weight, eps)`; or undefined. */
export function normCall(parts: CallParts): Omit<ValueOf<"norm">, "id" | "kind"> | undefined {
  const { callee, args } = parts;
  const isForward = callee.kind === "attribute" && forwards.has(callee.name);
  const module = isForward ? callee.object : callee;
  const given = args.map(({ value }) => value);
  if (args.length === 1 && !args[0]!.spread && namesNorm(module)) {
    return { style: "module", norm: module, of: given[0]!, callee, args: given };
  }
  // `self.q_norm.forward(q, residual)`, `RMSNormFunction.apply(q, weight, eps)`: more than a module's forward of one tensor.
  const isOfMore = isForward && args.length > 1 && (forwarded(module) !== undefined || appliesClass(callee));
  if (!isOfMore && (isForward || buildsNorm(callee))) return undefined;
  const [gamma, other] = given.flatMap((value) => normIn(value) ?? []);
  // A function that is given both norms is the shared helper, or another one like it, not a norm.
  if (other !== undefined || given.some(namesOtherNorm)) return undefined;
  const own = ownNorm(callee, given, gamma);
  if (own !== undefined)
    return { style: "function", norm: gamma ?? callee, of: own, callee, args: [own, ...given] };
  const of = given.find((value) => normIn(value) === undefined && isTensor(value));
  if (of === undefined) return undefined;
  if (isOfMore || nameKind(callee) === "norm" || nameKind(callee) === "qk-norm") {
    const named = isOfMore ? (forwarded(module) ?? callee) : callee;
    return { style: "function", norm: gamma ?? named, of, callee, args: given };
  }
  if (gamma === undefined) return undefined;
  const isApplied = splitWords(calleeName(callee) ?? "").some((word) => appliers.has(word));
  return isApplied ? { style: "function", norm: gamma, of, callee, args: given } : undefined;
}

/** The tensor whose own method normalises it: `q.rmsNorm({ eps })`. One that is given a tensor besides is a function of a module. */
function ownNorm(callee: Value, given: readonly Value[], gamma: Value | undefined): Value | undefined {
  if (callee.kind !== "attribute" || !isComputed(callee.object)) return undefined;
  const isNorm = /^(?:(?:rms|layer|l2)_?norm(?:ali[sz]e)?|normali[sz]e)$/i.test(callee.name);
  // `x.norm()` alone is a length.
  const isWeighted = callee.name === "norm" && gamma !== undefined;
  return (isNorm || isWeighted) && !given.some(isComputed) ? callee.object : undefined;
}

function isComputed({ kind }: Value): boolean {
  return computed.has(kind);
}

const computed = new Set<Value["kind"]>([
  "call",
  "reshape",
  "item",
  "norm",
  "owned",
  "await",
  "choice",
  "param",
]);

/** `mul(rmsNorm(q, eps), w.qNorm)`, `rmsNorm(q).mul(w.qNorm)`: the two factors. */
export function factorsOf({ callee, args }: CallParts): readonly Value[] {
  if (!/^(?:mul|multiply|times)$/.test(calleeName(callee) ?? "")) return [];
  const isMethod = callee.kind === "attribute" && callee.object.kind !== "free";
  return [...(isMethod ? [callee.object] : []), ...args.map(({ value }) => value)];
}

/** `RMSNorm(self.q_size, eps)`, `loadNorm(weights)`, `RMSNorm.from_other(norm)`: classes are written with a capital. */
function buildsNorm(callee: Value): boolean {
  const owner = callee.kind === "attribute" ? (calleeName(callee.object) ?? "") : "";
  return namesBuilder(calleeName(callee) ?? "") || /^[A-Z][a-z]/.test(owner);
}

/** The norm of `norm`, `norm.forward`: of `norm.forward.call(norm, q)`, too. */
function forwarded(module: Value): Value | undefined {
  if (namesNorm(module)) return module;
  const isMethod = module.kind === "attribute" && forwards.has(module.name) && namesNorm(module.object);
  return isMethod ? module.object : undefined;
}

/** `RMSNormFunction.apply`: what an autograd function is called by. */
function appliesClass(callee: ValueOf<"attribute">): boolean {
  return (
    callee.name === "apply" &&
    /^[A-Z]/.test(calleeName(callee.object) ?? "") &&
    nameKind(callee.object) === "norm"
  );
}

/** The norm of q or k that a value is, or is the weight of: `self.q_norm`, `self.q_norm.weight`. */
function normIn(value: Value): Value | undefined {
  if (namesNorm(value)) return value;
  if (value.kind !== "attribute" || !/^(?:weight|gamma|scale|data)$/.test(value.name)) return undefined;
  return normIn(value.object);
}

/** A norm of something else, or its weight: of a compressed q, of a whole layer. */
function namesOtherNorm(value: Value): boolean {
  if (normIn(value) !== undefined || value.kind !== "attribute") return false;
  return splitWords(value.name).some((word) => /norm$/.test(word)) || namesOtherNorm(value.object);
}

/** Whether the value is a norm of q or k by its name: an attribute, or a variable from outside. */
export function namesNorm(value: Value): boolean {
  return nameKind(value) === "qk-norm" || namesValueNorm(calleeName(value) ?? "");
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

const aboutStreams = new WeakMap<Value, boolean>();

/** `torch.cuda.stream(s)`, `stream.run`, `alt.waitFor(main)`: about streams, not about tensors. */
export function isAboutStreams(value: Value): boolean {
  let known = aboutStreams.get(value);
  if (known === undefined) {
    known = mentionsStream(value);
    aboutStreams.set(value, known);
  }
  return known;
}

function mentionsStream(value: Value): boolean {
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
