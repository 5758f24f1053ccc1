import type { Value } from "../flow/value.ts";

/** One step from a tensor to a part of it: `of[index]`, or a call that takes a part, `of.narrow(-1, a, n)`. */
export interface Selector {
  readonly of: Value;
  readonly index: Value;
}

/** Whether two parts of one tensor cannot have an element in common. Sizes are taken to be no less than zero. */
export function areDisjoint(a: Selector, b: Selector): boolean {
  if (a.of !== b.of || a.index === b.index) return false;
  if (a.index.kind === "call" || b.index.kind === "call") return areDisjointCalls(a.index, b.index);
  const [left, right] = [axesOf(a.index), axesOf(b.index)];
  const [leftRest, rightRest] = [left.findIndex(isEllipsis), right.findIndex(isEllipsis)];
  // Axes are counted from the front, up to where either has an ellipsis, and from the back down to it.
  const front = left.some((axis, i) => {
    const other = right[i];
    const isBefore = (leftRest === -1 || i < leftRest) && (rightRest === -1 || i < rightRest);
    return isBefore && other !== undefined && areApart(axis, other);
  });
  if (front || leftRest === -1 || rightRest === -1) return front;
  const count = Math.min(left.length - leftRest, right.length - rightRest) - 1;
  return Array.from({ length: count }, (_, i) => i + 1).some((i) => areApart(left.at(-i)!, right.at(-i)!));
}

function axesOf(index: Value): readonly Value[] {
  return index.kind === "tuple" ? index.items : [index];
}

function isEllipsis(value: Value): boolean {
  return value.kind === "literal" && value.value === undefined;
}

/** Two indices or ranges along one axis. */
function areApart(a: Value, b: Value): boolean {
  if (a.kind === "literal" && b.kind === "literal") return areOtherNumbers(a.value, b.value);
  const [left, right] = [rangeOf(a), rangeOf(b)];
  if (left === undefined || right === undefined) return false;
  return isUpTo(left.end, right.start) || isUpTo(right.end, left.start);
}

function areOtherNumbers(a: unknown, b: unknown): boolean {
  return typeof a === "number" && typeof b === "number" && a !== b && a < 0 === b < 0;
}

interface Range {
  readonly start: Value | undefined;
  readonly end: Value | undefined;
}

function rangeOf(value: Value): Range | undefined {
  if (value.kind !== "operation" || value.operator !== ":") return undefined;
  const [start, end, step] = value.operands.map((bound) =>
    isEllipsis(bound) || isNull(bound) ? undefined : bound,
  );
  return step === undefined ? { start, end } : undefined;
}

function isNull(value: Value): boolean {
  return value.kind === "literal" && value.value === null;
}

/** Whether a range that ends at `end` ends before one that starts at `start`: `:n` and `n:`, `:n` and `n + m:`, `:-n` and `-n:`. */
function isUpTo(end: Value | undefined, start: Value | undefined): boolean {
  if (end === undefined || start === undefined) return false;
  if (end === start) return true;
  if (end.kind === "literal" && start.kind === "literal") {
    const [a, b] = [end.value, start.value];
    return typeof a === "number" && typeof b === "number" && a <= b && a < 0 === b < 0;
  }
  const left = termsOf(end);
  const right = termsOf(start);
  if ([...left, ...right].some(isNegative)) return false;
  return left.every((term) => take(right, term));
}

/** `a + b + c`: its terms, as a list that may be taken from. */
function termsOf(value: Value): Value[] {
  if (value.kind === "operation" && value.operator === "+") return value.operands.flatMap(termsOf);
  return [value];
}

function isNegative(value: Value): boolean {
  if (value.kind === "literal") return typeof value.value !== "number" || value.value < 0;
  return value.kind === "operation" && value.operator === "-";
}

function take(terms: Value[], wanted: Value): boolean {
  const at = terms.indexOf(wanted);
  if (at === -1) return false;
  terms.splice(at, 1);
  return true;
}

const ranged = new Set(["narrow", "slice", "subarray"]);

/** `x.narrow(axis, start, length)` twice on one axis, `x.slice(..., start, end)` likewise. */
function areDisjointCalls(a: Value, b: Value): boolean {
  if (a.kind !== "call" || b.kind !== "call" || a.callee !== b.callee || a.callee.kind !== "attribute")
    return false;
  const { name } = a.callee;
  if (!ranged.has(name) || a.args.length !== b.args.length || a.args.length < 2) return false;
  if (a.args.slice(0, -2).some((arg, i) => arg !== b.args[i])) return false;
  const ranges = [a, b].map(({ args }) => {
    const [start, last] = args.slice(-2) as [Value, Value];
    // Two numbers of a slice are start and end to some, start and length to others: the later of the two ends counts.
    const isLength = name === "narrow" || (name === "slice" && args.length === 2);
    return { start: [start], end: isLength ? [start, last] : [last] };
  });
  const [left, right] = ranges as [(typeof ranges)[0], (typeof ranges)[0]];
  return isListUpTo(left.end, right.start) || isListUpTo(right.end, left.start);
}

/** Both ends are sums of their parts. */
function isListUpTo(end: readonly Value[], start: readonly Value[]): boolean {
  const terms = end.flatMap(termsOf).filter((term) => !isZero(term));
  const others = start.flatMap(termsOf);
  if ([...terms, ...others].some(isNegative)) return false;
  const [one, two] = [terms, others].map(([only, ...more]) =>
    more.length === 0 && only?.kind === "literal" ? only.value : undefined,
  );
  if (typeof one === "number" && typeof two === "number") return one <= two;
  return terms.every((term) => take(others, term));
}

function isZero(value: Value): boolean {
  return value.kind === "literal" && value.value === 0;
}
