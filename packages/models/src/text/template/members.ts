import { bind } from "./arguments.ts";
import { lettersOf } from "./letters.ts";
import { pythonEquals } from "./python-operators.ts";
import { callTextMethod, isTextMethod } from "./text-methods.ts";
import {
  Callable,
  itemsOf,
  Loop,
  Namespace,
  present,
  Range,
  Tuple,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.ts";

/** `value.name`: a method of Python's type, or else an entry; undefined for what is not there. */
export function attributeOf(value: Value, name: string): Value {
  if (value instanceof Undefined) throw value.error;
  if (name.startsWith("__")) throw new Error(`access to attribute '${name}' is unsafe`);
  if (value instanceof Namespace) return present(value.fields.get(name), absence(value, name));
  if (value instanceof Loop) return loopAttribute(value, name);
  const method = methodOf(value, name);
  if (method !== undefined) return method;
  return present(value instanceof Map ? value.get(name) : undefined, absence(value, name));
}

/** `value[key]`: an entry, or else a method of Python's type; undefined for what is not there. */
export function itemOf(value: Value, key: Value): Value {
  if (value instanceof Undefined) throw value.error;
  if (typeof key === "string") {
    const entry = value instanceof Map ? value.get(key) : undefined;
    return entry === undefined ? attributeOf(value, key) : entry;
  }
  const index = typeof key === "bigint" || typeof key === "boolean" ? Number(key) : null;
  const items = typeof value === "string" ? lettersOf(value) : sequenceOf(value);
  if (index === null || items === null) return new Undefined(`an item of a ${typeName(value)}`);
  return present(items[index < 0 ? items.length + index : index], `item ${index}`);
}

/** `value[start:stop:step]`. @throws for what has no order, and for a step of 0 */
export function sliceOf(value: Value, start: Value, stop: Value, step: Value): Value {
  if (value instanceof Undefined) throw value.error;
  const items = typeof value === "string" ? [...value] : value instanceof Range ? null : sequenceOf(value);
  if (items === null) throw new Error(`a slice of a value of type ${typeName(value)} is not supported`);
  const taken = indices(items.length, start, stop, step).map((i) => items[i]!);
  if (typeof value === "string") return taken.join("");
  return value instanceof Tuple ? new Tuple(taken) : taken;
}

function sequenceOf(value: Value): readonly Value[] | null {
  if (Array.isArray(value)) return value;
  return value instanceof Tuple || value instanceof Range ? value.items : null;
}

function indices(length: number, start: Value, stop: Value, step: Value): readonly number[] {
  const by = bound(step) ?? 1;
  if (by === 0) throw new Error("slice step cannot be zero");
  const [lowest, highest] = by > 0 ? [0, length] : [-1, length - 1];
  const clamp = (at: number) => Math.min(Math.max(at < 0 ? at + length : at, lowest), highest);
  const [from, to] = [bound(start), bound(stop)];
  const last = to === null ? (by > 0 ? length : -1) : clamp(to);
  const taken: number[] = [];
  for (let i = from === null ? (by > 0 ? 0 : length - 1) : clamp(from); by > 0 ? i < last : i > last; i += by)
    taken.push(i);
  return taken;
}

function bound(value: Value): number | null {
  if (value === null) return null;
  if (typeof value === "bigint" || typeof value === "boolean") return Number(value);
  throw new Error(`slice indices must be integers or None, not ${typeName(value)}`);
}

function absence(value: Value, name: string): string {
  return `'${typeName(value)} object' has no attribute '${name.slice(0, 80)}', which`;
}

/** Methods of Python's lists and dicts that change them, which Jinja's sandbox refuses, and what nobody asks of a range. */
const REFUSED: Readonly<Record<string, readonly string[]>> = {
  list: ["append", "clear", "extend", "insert", "pop", "remove", "reverse", "sort"],
  dict: ["clear", "fromkeys", "pop", "popitem", "setdefault", "update"],
  range: ["count", "index", "start", "step", "stop"],
};

function methodOf(value: Value, name: string): Value | undefined {
  const type = typeName(value);
  if (REFUSED[type]?.includes(name) === true) throw new Error(`access to '${name}' of a ${type} is refused`);
  if (typeof value === "string") {
    const supported = isTextMethod(name);
    if (supported === false) throw new Error(`the method "${name}" of a text is not supported`);
    return supported === null ? undefined : new Callable(name, (args) => callTextMethod(name, value, args));
  }
  if (value instanceof Map) return dictMethod(value, name);
  return Array.isArray(value) || value instanceof Tuple ? listMethod(value, name) : undefined;
}

function dictMethod(dict: Map<string, Value>, name: string): Callable | undefined {
  switch (name) {
    case "items":
    case "keys":
    case "values":
      return new Callable(name, (args) => {
        bind(name, [], args);
        return new View(name, dict);
      });
    case "get":
      return new Callable(name, (args) => {
        const bound = bind(name, ["key", "default"], args);
        const key = bound.value("key");
        const found = typeof key === "string" ? dict.get(key) : undefined;
        return found !== undefined ? found : bound.or("default", null);
      });
    case "copy":
      return new Callable(name, () => new Map(dict));
    default:
      return undefined;
  }
}

function listMethod(list: Value[] | Tuple, name: string): Callable | undefined {
  const items = itemsOf(list)!;
  const same = (value: Value | undefined) => (item: Value) => pythonEquals(item, value ?? null);
  switch (name) {
    case "count":
      return new Callable(name, (args) =>
        BigInt(items.filter(same(bind(name, ["value"], args).value("value"))).length),
      );
    case "index":
      return new Callable(name, (args) => {
        const at = items.findIndex(same(bind(name, ["value"], args).value("value")));
        if (at < 0) throw new Error("the value is not in the list");
        return BigInt(at);
      });
    case "copy":
      return Array.isArray(list) ? new Callable(name, () => [...list]) : undefined;
    default:
      return undefined;
  }
}

function loopAttribute(loop: Loop, name: string): Value {
  const { items, index0 } = loop;
  switch (name) {
    case "index":
      return BigInt(index0 + 1);
    case "index0":
      return BigInt(index0);
    case "revindex":
      return BigInt(items.length - index0);
    case "revindex0":
      return BigInt(items.length - index0 - 1);
    case "first":
      return index0 === 0;
    case "last":
      return index0 === items.length - 1;
    case "length":
      return BigInt(items.length);
    // Only recursive loops, which are not supported, are deeper.
    case "depth":
      return 1n;
    case "depth0":
      return 0n;
    case "previtem":
      return present(items[index0 - 1], "there is no previous item, which");
    case "nextitem":
      return present(items[index0 + 1], "there is no next item, which");
    case "cycle":
      return new Callable(name, ({ positional }) => {
        if (positional.length === 0) throw new Error("no items for cycling given");
        return positional[index0 % positional.length]!;
      });
    case "changed":
      return new Callable(name, ({ positional }) => {
        const same =
          loop.last?.length === positional.length &&
          loop.last.every((v, i) => pythonEquals(v, positional[i]!));
        loop.last = positional;
        return !same;
      });
    default:
      return new Undefined(absence(loop, name));
  }
}
