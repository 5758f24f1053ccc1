import { asNumber, compare, contains, OPERATORS, pythonEquals } from "./python-operators.ts";
import { pythonText } from "./python-text.ts";
import { callTextMethod } from "./text-methods.ts";
import {
  type Arguments,
  Callable,
  itemsOf,
  Lazy,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
} from "./values.ts";

type Test = (value: Value, argument: Value) => boolean;

const NONE: Arguments = { positional: [], named: new Map() };
const textual =
  (name: string): Test =>
  (value) =>
    callTextMethod(name, pythonText(value), NONE) === true;
const ofType =
  (...types: string[]): Test =>
  (value) =>
    types.includes(typeName(value));

/** `value is name`, with one argument at most. @throws for a test that Jinja does not have, or that is not supported */
export function callTest(name: string, value: Value, args: Arguments): boolean {
  const test = TESTS.get(name) ?? BINARY_TESTS.get(name);
  if (test === undefined) throw new Error(`the test "${name}" is not supported`);
  const wanted = BINARY_TESTS.has(name) ? 1 : 0;
  if (args.positional.length !== wanted || args.named.size > 0)
    throw new Error(`the test "${name}" takes ${wanted} arguments`);
  return test(value, args.positional[0] ?? null);
}

const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["defined", (value) => !(value instanceof Undefined)],
  ["undefined", (value) => value instanceof Undefined],
  ["none", (value) => value === null],
  ["true", (value) => value === true],
  ["false", (value) => value === false],
  ["boolean", ofType("bool")],
  ["integer", ofType("int")],
  ["float", ofType("float")],
  ["number", ofType("bool", "int", "float")],
  ["string", ofType("str")],
  ["mapping", ofType("dict")],
  ["iterable", (value) => value instanceof Lazy || itemsOf(value) !== null],
  ["sequence", isSequence],
  ["callable", (value) => value instanceof Callable || value instanceof Undefined],
  ["lower", textual("islower")],
  ["upper", textual("isupper")],
  ["odd", (value) => pythonEquals(OPERATORS["%"]!(value, 2n), 1n)],
  ["even", (value) => pythonEquals(OPERATORS["%"]!(value, 2n), 0n)],
]);

const less: Test = (a, b) => compare(a, b) < 0;
const greater: Test = (a, b) => compare(b, a) < 0;
const atMost: Test = (a, b) => OPERATORS["<="]!(a, b) === true;
const atLeast: Test = (a, b) => OPERATORS[">="]!(a, b) === true;
const unequal: Test = (a, b) => !pythonEquals(a, b);

const BINARY_TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["in", (value, container) => contains(container, value)],
  ["divisibleby", (value, by) => pythonEquals(OPERATORS["%"]!(value, by), 0n)],
  ["sameas", isSame],
  ...["==", "eq", "equalto"].map((name) => [name, pythonEquals] as const),
  ...["!=", "ne"].map((name) => [name, unequal] as const),
  ...["<", "lt", "lessthan"].map((name) => [name, less] as const),
  ...[">", "gt", "greaterthan"].map((name) => [name, greater] as const),
  ...["<=", "le"].map((name) => [name, atMost] as const),
  ...[">=", "ge"].map((name) => [name, atLeast] as const),
]);

function isSequence(value: Value): boolean {
  if (Array.isArray(value) || value instanceof Map) return true;
  return (
    typeof value === "string" ||
    value instanceof Tuple ||
    value instanceof Range ||
    value instanceof Undefined
  );
}

// Which numbers and texts are one object in Python is chance.
function isSame(value: Value, other: Value): boolean {
  if (asNumber(other) !== null && typeof other !== "boolean")
    throw new Error('"sameas" of a number is not supported');
  if (typeof other === "string") throw new Error('"sameas" of a text is not supported');
  return value === other;
}
