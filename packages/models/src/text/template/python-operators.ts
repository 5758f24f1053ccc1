import { formatPercent } from "./python-format.ts";
import { pythonText } from "./python-text.ts";
import { iterate, Tuple, truth, typeName, Undefined, type Value } from "./values.ts";

/** Python prints no int of more digits. */
const DIGITS = 4300;
const LARGEST = 10n ** BigInt(DIGITS);

type Number_ = bigint | number;

/** An int or a float, also of a bool; null for all else. */
export function asNumber(value: Value): Number_ | null {
  if (typeof value === "boolean") return value ? 1n : 0n;
  return typeof value === "bigint" || typeof value === "number" ? value : null;
}

/** `==` of Python: 1, 1.0 and True are equal, and "1" is none of them; lists and dicts by what they hold. */
export function pythonEquals(left: Value, right: Value): boolean {
  const [a, b] = [asNumber(left), asNumber(right)];
  // biome-ignore lint/suspicious/noDoubleEquals: an int and a float
  if (a !== null && b !== null) return a == b;
  if (Array.isArray(left) && Array.isArray(right)) return sameItems(left, right);
  if (left instanceof Tuple && right instanceof Tuple) return sameItems(left.items, right.items);
  if (left instanceof Undefined && right instanceof Undefined) return true;
  if (!(left instanceof Map && right instanceof Map)) return left === right;
  return (
    left.size === right.size &&
    [...left].every(([key, item]) => right.has(key) && pythonEquals(item, right.get(key)!))
  );
}

function sameItems(left: readonly Value[], right: readonly Value[]): boolean {
  return left.length === right.length && left.every((item, i) => pythonEquals(item, right[i]!));
}

/** `<` of Python as a number: below 0, 0, or above. @throws for what has no order */
export function compare(left: Value, right: Value): number {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a !== null && b !== null) return a < b ? -1 : a > b ? 1 : 0;
  if (typeof left === "string" && typeof right === "string") return compareTexts(left, right);
  if (Array.isArray(left) && Array.isArray(right)) return compareItems(left, right);
  if (left instanceof Tuple && right instanceof Tuple) return compareItems(left.items, right.items);
  refuseUndefined(left, right);
  throw new Error(`'<' not supported between instances of '${typeName(left)}' and '${typeName(right)}'`);
}

// By code points: JavaScript's own order is that of UTF-16.
function compareTexts(left: string, right: string): number {
  let at = 0;
  while (at < left.length && left.charCodeAt(at) === right.charCodeAt(at)) at += 1;
  if (at > 0 && isLowSurrogate(left, at) && isLowSurrogate(right, at)) at -= 1;
  return (left.codePointAt(at) ?? -1) - (right.codePointAt(at) ?? -1);
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

function compareItems(left: readonly Value[], right: readonly Value[]): number {
  const at = left.findIndex((item, i) => i >= right.length || !pythonEquals(item, right[i]!));
  if (at < 0) return left.length - right.length;
  return at >= right.length ? 1 : compare(left[at]!, right[at]!);
}

/** `in` of Python. */
export function contains(container: Value, item: Value): boolean {
  if (container instanceof Map) {
    if (typeof item === "string") return container.has(item);
    if (Array.isArray(item) || item instanceof Map) throw new Error(`unhashable type: '${typeName(item)}'`);
    return false;
  }
  if (typeof container !== "string") return iterate(container).some((other) => pythonEquals(other, item));
  if (typeof item === "string") return container.includes(item);
  throw new Error(`'in <string>' requires string as left operand, not ${typeName(item)}`);
}

/** Operators of two values, by their sign; `and` and `or` are none, as they need not look at both. */
export const OPERATORS: Readonly<Record<string, (left: Value, right: Value) => Value>> = {
  "==": pythonEquals,
  "!=": (left, right) => !pythonEquals(left, right),
  "<": (left, right) => compare(left, right) < 0,
  ">": (left, right) => compare(right, left) < 0,
  "<=": (left, right) => ordered(left, right) && compare(left, right) <= 0,
  ">=": (left, right) => ordered(left, right) && compare(right, left) <= 0,
  in: (left, right) => contains(right, left),
  "not in": (left, right) => !contains(right, left),
  "~": (left, right) => pythonText(left) + pythonText(right),
  "+": add,
  "-": (left, right) => arithmetic("-", left, right),
  "*": multiply,
  "/": (left, right) => arithmetic("/", left, right),
  "//": (left, right) => arithmetic("//", left, right),
  "%": (left, right) =>
    typeof left === "string" ? formatPercent(left, right) : arithmetic("%", left, right),
  "**": (left, right) => arithmetic("**", left, right),
};

// Nothing is in order with NaN.
function ordered(left: Value, right: Value): boolean {
  return !Number.isNaN(left) && !Number.isNaN(right);
}

function add(left: Value, right: Value): Value {
  if (typeof left === "string" && typeof right === "string") return left + right;
  if (Array.isArray(left) && Array.isArray(right)) return [...left, ...right];
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple([...left.items, ...right.items]);
  return arithmetic("+", left, right);
}

function multiply(left: Value, right: Value): Value {
  const [many, count] = typeof left === "bigint" || typeof left === "boolean" ? [right, left] : [left, right];
  const times = typeof count === "bigint" || typeof count === "boolean" ? Math.max(0, Number(count)) : null;
  if (times === null || !(typeof many === "string" || Array.isArray(many)))
    return arithmetic("*", left, right);
  if (many.length * times > 2 ** 22) throw new Error("the product is too long");
  if (typeof many === "string") return many.repeat(times);
  return Array.from({ length: times }, () => many).flat();
}

function arithmetic(sign: string, left: Value, right: Value): Value {
  const [a, b] = [asNumber(left), asNumber(right)];
  if (a === null || b === null) {
    refuseUndefined(left, right);
    throw new Error(`unsupported operand type(s) for ${sign}: '${typeName(left)}' and '${typeName(right)}'`);
  }
  if (typeof a === "bigint" && typeof b === "bigint" && sign !== "/" && !(sign === "**" && b < 0n))
    return ofInts(sign, a, b);
  const result = ofFloats(sign, Number(a), Number(b));
  if (sign === "**" && !Number.isFinite(result)) throw new Error("the power is no finite number");
  return result;
}

function ofInts(sign: string, a: bigint, b: bigint): bigint {
  if (sign === "+") return limited(a + b);
  if (sign === "-") return limited(a - b);
  if (sign === "*") return limited(a * b);
  if (sign === "**") {
    const digits = String(a < 0n ? -a : a).length - 1;
    if (a * a > 1n && Number(b) > (4 * DIGITS) / Math.max(1, digits))
      throw new Error("a number has too many digits");
    return limited(a ** b);
  }
  if (b === 0n) throw new Error("integer division or modulo by zero");
  const rest = a % b;
  const below = rest !== 0n && rest < 0n !== b < 0n;
  if (sign === "%") return below ? rest + b : rest;
  return a / b - (below ? 1n : 0n);
}

function ofFloats(sign: string, a: number, b: number): number {
  if (sign === "+") return a + b;
  if (sign === "-") return a - b;
  if (sign === "*") return a * b;
  if (sign === "**") return a ** b;
  if (b === 0) throw new Error("division by zero");
  if (sign === "/") return a / b;
  const rest = a % b;
  const modulo = rest !== 0 && rest < 0 !== b < 0 ? rest + b : rest;
  return sign === "%" ? modulo : Math.round((a - modulo) / b);
}

function limited(value: bigint): bigint {
  if (value > LARGEST || value < -LARGEST) throw new Error("a number has too many digits");
  return value;
}

function refuseUndefined(...values: readonly Value[]): void {
  for (const value of values) if (value instanceof Undefined) throw value.error;
}

/** `-x` and `+x`, and `not x`. */
export function unary(sign: string, value: Value): Value {
  if (sign === "not") return !truth(value);
  const number = asNumber(value);
  if (number !== null) return sign === "-" ? -number : number;
  refuseUndefined(value);
  throw new Error(`bad operand type for unary ${sign}: '${typeName(value)}'`);
}
