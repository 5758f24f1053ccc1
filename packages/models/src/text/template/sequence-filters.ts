import type { Bound } from "./arguments.ts";
import type { Filter, FilterList } from "./filter.ts";
import { itemOf } from "./members.ts";
import { compare, OPERATORS, pythonEquals } from "./python-operators.ts";
import { pythonText } from "./python-text.ts";
import {
  iterate,
  Lazy,
  lengthOf,
  present,
  type Tuple,
  truth,
  typeName,
  Undefined,
  type Value,
  View,
} from "./values.ts";

/** Filters that work on a list, or make one. */
export const SEQUENCE_FILTERS: FilterList = [
  ...["default", "d"].map(
    (name) => [name, { parameters: ["default_value", "boolean"], run: defaulted }] as const,
  ),
  ...["length", "count"].map((name) => [name, plain((value) => BigInt(lengthOf(value)))] as const),
  ["list", plain((value) => [...iterate(value)])],
  ["first", plain((value) => present(iterate(value)[0], "there is no first item, which"))],
  ["last", plain((value) => present(reversible(value).at(-1), "there is no last item, which"))],
  ["reverse", plain(reversed)],
  ["items", plain(entries)],
  ["join", { parameters: ["d", "attribute"], run: join }],
  ["sum", { parameters: ["attribute", "start"], run: sum }],
  ["sort", { parameters: ["reverse", "case_sensitive", "attribute"], run: sort }],
  ["unique", { parameters: ["case_sensitive", "attribute"], run: unique }],
  ["min", { parameters: ["case_sensitive", "attribute"], run: (value, args) => extreme(value, args, -1) }],
  ["max", { parameters: ["case_sensitive", "attribute"], run: (value, args) => extreme(value, args, 1) }],
  ["dictsort", { parameters: ["case_sensitive", "by", "reverse"], run: sortDict }],
  ["batch", { parameters: ["linecount", "fill_with"], run: batch }],
];

function plain(run: (value: Value) => Value): Filter {
  return { parameters: [], run };
}

/** What `attribute="a.b"` of a filter reads of an item; the item itself where no attribute is named. */
export function attributeReader(attribute: Value | undefined): (item: Value) => Value {
  if (attribute === undefined || attribute === null) return (item) => item;
  const parts: Value[] = pythonText(attribute)
    .split(".")
    .map((part) => (/^\d+$/.test(part) ? BigInt(part) : part));
  return (item) => parts.reduce(itemOf, item);
}

function defaulted(value: Value, args: Bound): Value {
  const wanted = value instanceof Undefined || (truth(args.or("boolean", false)) && !truth(value));
  return wanted ? args.or("default_value", "") : value;
}

function reversible(value: Value): readonly Value[] {
  if (value instanceof Lazy) throw new Error("'generator' object is not reversible");
  return iterate(value);
}

function reversed(value: Value): Value {
  const items = [...iterate(value)].reverse();
  return typeof value === "string" ? items.join("") : new Lazy(items);
}

function entries(value: Value): Value {
  if (value instanceof Undefined) return new Lazy([]);
  if (!(value instanceof Map)) throw new Error("Can only get item pairs from a mapping.");
  return new Lazy(new View("items", value).items);
}

function join(value: Value, args: Bound): Value {
  const read = attributeReader(args.value("attribute"));
  return iterate(value)
    .map((item) => pythonText(read(item)))
    .join(pythonText(args.or("d", "")));
}

function sum(value: Value, args: Bound): Value {
  const read = attributeReader(args.value("attribute"));
  return iterate(value)
    .map(read)
    .reduce(
      (total, item) => {
        if (typeof total === "string" || typeof item === "string") throw new Error("sum() takes no texts");
        return OPERATORS["+"]!(total, item);
      },
      args.or("start", 0n),
    );
}

/** Of texts that differ in case alone, one key, unless the filter is told otherwise. */
function caseKey(args: Bound): (value: Value) => Value {
  return args.flag("case_sensitive")
    ? (value) => value
    : (value) => (typeof value === "string" ? value.toLowerCase() : value);
}

function sort(value: Value, args: Bound): Value {
  const attribute = args.value("attribute");
  if (typeof attribute === "string" && attribute.includes(","))
    throw new Error("sorting by several attributes is not supported");
  const [read, key] = [attributeReader(attribute), caseKey(args)];
  return sorted(iterate(value), (item) => key(read(item)), args.flag("reverse"));
}

function sorted(items: readonly Value[], key: (item: Value) => Value, descending: boolean): Value[] {
  const keyed = items.map((item) => [key(item), item] as const);
  // Equal keys need no order: it may be that nothing is there to sort by.
  const order = (a: Value, b: Value) => (pythonEquals(a, b) ? 0 : compare(a, b));
  keyed.sort(([a], [b]) => (descending ? order(b, a) : order(a, b)));
  return keyed.map(([, item]) => item);
}

function unique(value: Value, args: Bound): Value {
  const [read, key] = [attributeReader(args.value("attribute")), caseKey(args)];
  const seen: Value[] = [];
  return new Lazy(
    iterate(value).filter((item) => {
      const own = key(read(item));
      if (Array.isArray(own) || own instanceof Map) throw new Error(`unhashable type: '${typeName(own)}'`);
      if (seen.some((other) => pythonEquals(other, own))) return false;
      seen.push(own);
      return true;
    }),
  );
}

function extreme(value: Value, args: Bound, sign: -1 | 1): Value {
  const [read, key] = [attributeReader(args.value("attribute")), caseKey(args)];
  const items = iterate(value);
  if (items.length === 0) return new Undefined("no aggregated item, empty sequence, which");
  return items.reduce((best, item) => (sign * compare(key(read(item)), key(read(best))) > 0 ? item : best));
}

function sortDict(value: Value, args: Bound): Value {
  const by = args.text("by", "key");
  if (!(value instanceof Map)) throw new Error(`'${typeName(value)}' object has no attribute 'items'`);
  if (by !== "key" && by !== "value") throw new Error('You can only sort by either "key" or "value"');
  const key = caseKey(args);
  const read = (pair: Value) => key((pair as Tuple).items[by === "key" ? 0 : 1]!);
  return sorted(new View("items", value).items, read, args.flag("reverse"));
}

function batch(value: Value, args: Bound): Value {
  const size = args.int("linecount", 0);
  if (size < 1) throw new Error("batch needs a number of items above 0");
  const items = iterate(value);
  const fill = args.value("fill_with") ?? null;
  const rows: Value[][] = [];
  for (let i = 0; i < items.length; i += size) rows.push(items.slice(i, i + size));
  while (fill !== null && rows.length > 0 && rows.at(-1)!.length < size) rows.at(-1)!.push(fill);
  return new Lazy(rows);
}
