import { splitWords } from "../candidates/names.ts";
import type { ClassForm, Expr, FileForm, FunctionForm } from "../form/form.ts";
import type { NormKind } from "./norm-fact.ts";

/** What a norm class computes, read off its own code and that of the functions it calls in the same file. */
export function kindOfClass(cls: ClassForm, form: FileForm): NormKind {
  const kind = knownKinds.get(cls) ?? readKind(cls, form);
  knownKinds.set(cls, kind);
  return kind;
}

// One norm serves all attention layers of a repository.
const knownKinds = new WeakMap<ClassForm, NormKind>();

function readKind(cls: ClassForm, form: FileForm): NormKind {
  const code = codeOf(cls.methods, form, 2);
  const isLayer = cls.bases.some((base) => nameOf(base) === "LayerNorm");
  return kindOfCode(code) ?? (isLayer ? "layer" : (kindOfName(cls.name) ?? "unknown"));
}

/** What a norm function computes. */
export function kindOfFunction(fn: FunctionForm, form: FileForm): NormKind {
  return kindOfCode(codeOf([fn], form, 2)) ?? kindOfName(fn.name) ?? "unknown";
}

/** The best guess from a name alone, for code that is out of reach. */
export function kindOfName(name: string): NormKind | undefined {
  const words = splitWords(name);
  if (words.includes("gemma")) return "unit-offset";
  const whole = words.join("");
  if (/rms/.test(whole)) return "plain-rms";
  if (/layernorm/.test(whole)) return "layer";
  return /l2norm/.test(whole) ? "l2" : undefined;
}

function kindOfCode(code: readonly Expr[]): NormKind | undefined {
  if (code.some(addsOneToWeight)) return "unit-offset";
  if (code.some(subtractsMean)) return "layer";
  if (code.some(isRms)) return code.some(readsWeight) ? "plain-rms" : "weightless";
  return undefined;
}

function codeOf(functions: readonly FunctionForm[], form: FileForm, depth: number): readonly Expr[] {
  const exprs = functions.flatMap(({ body, params }) => [...exprsIn(body), ...exprsIn(params)]);
  if (depth === 0) return exprs;
  const called = new Set(exprs.flatMap((expr) => (expr.kind === "call" ? [nameOf(expr.callee)] : [])));
  const more = form.functions.filter((fn) => called.has(fn.name) && !functions.includes(fn));
  return more.length === 0 ? exprs : [...exprs, ...codeOf(more, form, depth - 1)];
}

function addsOneToWeight(expr: Expr): boolean {
  if (expr.kind === "operation" && expr.operator === "+") {
    return expr.operands.some(isOne) && expr.operands.some(mentionsWeight);
  }
  if (expr.kind !== "call") return false;
  const name = nameOf(expr.callee) ?? "";
  if (/gemma.*norm/i.test(name)) return true;
  const values = [...expr.args.map(({ value }) => value), ...receiverOf(expr)];
  return splitWords(name).includes("add") && values.some(isOne) && values.some(mentionsWeight);
}

function subtractsMean(expr: Expr): boolean {
  if (expr.kind === "operation" && expr.operator === "-")
    return mentionsWord(expr.operands[1], ["mean", "mu"]);
  if (expr.kind !== "call") return false;
  const words = splitWords(nameOf(expr.callee) ?? "").join("");
  if (/(?:layernorm|nativelayernorm)$/.test(words)) return true;
  return /^sub/.test(words) && expr.args.some(({ value }) => mentionsWord(value, ["mean", "mu"]));
}

function isRms(expr: Expr): boolean {
  const name = nameOf(expr.kind === "call" ? expr.callee : expr) ?? "";
  const words = splitWords(name);
  return (
    words.some((word) => /^(?:rms|rmsnorm|rsqrt)$/.test(word)) || /rms_?norm/i.test(name) || isSquare(expr)
  );
}

function isSquare(expr: Expr): boolean {
  if (expr.kind === "call") return /^(?:sqrt|square|pow)$/.test(nameOf(expr.callee) ?? "");
  return expr.kind === "operation" && expr.operator === "**";
}

function readsWeight(expr: Expr): boolean {
  return /^#?_?(?:weight|w|gamma|scale|g)$/.test(nameOf(expr) ?? "");
}

function mentionsWeight(expr: Expr): boolean {
  return exprsIn(expr).some(readsWeight);
}

function mentionsWord(expr: Expr | undefined, words: readonly string[]): boolean {
  return exprsIn(expr).some((one) => splitWords(nameOf(one) ?? "").some((word) => words.includes(word)));
}

function isOne(expr: Expr): boolean {
  return expr.kind === "literal" && expr.value === 1;
}

function receiverOf(expr: Extract<Expr, { kind: "call" }>): readonly Expr[] {
  return expr.callee.kind === "attribute" ? [expr.callee.object] : [];
}

function nameOf(expr: Expr): string | undefined {
  return expr.kind === "name" || expr.kind === "attribute" ? expr.name : undefined;
}

const exprKinds = new Set(["name", "self", "attribute", "call", "index", "tuple", "literal", "operation"]);

/** Every expression inside plain form data. */
export function exprsIn(node: unknown): readonly Expr[] {
  if (Array.isArray(node)) return node.flatMap(exprsIn);
  if (typeof node !== "object" || node === null) return [];
  const inner = Object.values(node).flatMap(exprsIn);
  const isExpr =
    exprKinds.has((node as { kind?: string }).kind ?? "") && !("items" in node && "rest" in node);
  return isExpr ? [node as Expr, ...inner] : inner;
}
