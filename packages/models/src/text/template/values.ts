/** A value of Python, as templates know them: `bigint` is an int, `number` a float, an array a list, a `Map` a dict. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Value[]
  | Map<string, Value>
  | Undefined
  | Tuple
  | View
  | Range
  | Lazy
  | Namespace
  | Loop
  | Callable;

/** What a name or key that is not there gives. It prints as nothing, and most uses of it are an error. */
export class Undefined {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  /** The error of using it. */
  get error(): Error {
    return new Error(`${this.name} is undefined`);
  }
}

export class Tuple {
  readonly items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** What `items`, `keys` and `values` of a dict give. */
export class View {
  readonly kind: "items" | "keys" | "values";
  readonly items: readonly Value[];

  constructor(kind: View["kind"], dict: ReadonlyMap<string, Value>) {
    this.kind = kind;
    this.items =
      kind === "items" ? [...dict].map((entry) => new Tuple(entry)) : [...(dict[kind]() as Iterable<Value>)];
  }
}

export class Range {
  readonly text: string;
  readonly items: readonly Value[];

  constructor(text: string, items: readonly Value[]) {
    this.text = text;
    this.items = items;
  }
}

/** What a filter such as `select` gives: it can be gone through once, and nothing else be asked of it. */
export class Lazy {
  #items: readonly Value[];

  constructor(items: readonly Value[]) {
    this.#items = items;
  }

  take(): readonly Value[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}

export class Namespace {
  readonly fields: Map<string, Value>;

  constructor(fields: Map<string, Value>) {
    this.fields = fields;
  }
}

/** `loop` inside a `for`. */
export class Loop {
  readonly items: readonly Value[];
  index0 = 0;
  /** What `changed` was last called with. */
  last: readonly Value[] | null = null;

  constructor(items: readonly Value[]) {
    this.items = items;
  }
}

/** Arguments of a call: those by position, and those by name. */
export interface Arguments {
  readonly positional: readonly Value[];
  readonly named: ReadonlyMap<string, Value>;
}

/** A macro, a method, or a function. */
export class Callable {
  readonly name: string;
  readonly call: (args: Arguments) => Value;

  constructor(name: string, call: (args: Arguments) => Value) {
    this.name = name;
    this.call = call;
  }
}

/** The value, or undefined with its reason where there is none; None is a value. */
export function present(value: Value | undefined, reason: string): Value {
  return value === undefined ? new Undefined(reason) : value;
}

/** The name of Python's type. */
export function typeName(value: Value): string {
  if (value === null) return "NoneType";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "float";
    case "string":
      return "str";
    default:
  }
  if (Array.isArray(value)) return "list";
  if (value instanceof Map) return "dict";
  if (value instanceof View) return `dict_${value.kind}`;
  if (value instanceof Lazy) return "generator";
  if (value instanceof Callable) return "function";
  return value.constructor.name.toLowerCase();
}

/** What Python's `bool` makes of a value. */
export function truth(value: Value): boolean {
  if (value === null || value instanceof Undefined) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (value instanceof Map) return value.size > 0;
  if (value instanceof Tuple || value instanceof View || value instanceof Range)
    return value.items.length > 0;
  return typeof value === "object" ? true : Boolean(value);
}

/** The items of a value, of a text its characters, of a dict its keys; null for what cannot be gone through. */
export function itemsOf(value: Value): readonly Value[] | null {
  if (typeof value === "string") return [...value];
  if (Array.isArray(value)) return value;
  if (value instanceof Map) return [...value.keys()];
  if (value instanceof Undefined) return [];
  if (value instanceof Lazy) return value.take();
  return value instanceof Tuple || value instanceof View || value instanceof Range ? value.items : null;
}

/** As `itemsOf`. @throws for what cannot be gone through */
export function iterate(value: Value): readonly Value[] {
  const items = itemsOf(value);
  if (items === null) throw new Error(`'${typeName(value)}' object is not iterable`);
  return items;
}

/** What Python's `len` gives. @throws for what has none */
export function lengthOf(value: Value): number {
  if (value instanceof Map) return value.size;
  const items = value instanceof Lazy ? null : itemsOf(value);
  if (items === null) throw new Error(`object of type '${typeName(value)}' has no len()`);
  return items.length;
}
