/**
 * What an expression stands for, whatever it is spelled like. Equal computations are the same object, so that comparing
 * two values is `===`: a `ValueTable` hands out one object per distinct content.
 */
export type Value = { readonly id: number } & ValueContent;

export type ValueContent =
  | { readonly kind: "self" }
  | { readonly kind: "param"; readonly name: string; readonly index: number }
  /** An import, a global, or anything else from outside the function. */
  | { readonly kind: "free"; readonly name: string }
  | { readonly kind: "attribute"; readonly object: Value; readonly name: string }
  | { readonly kind: "literal"; readonly value: unknown }
  | { readonly kind: "tuple"; readonly items: readonly Value[] }
  | { readonly kind: "item"; readonly of: Value; readonly index: Value }
  | { readonly kind: "call"; readonly callee: Value; readonly args: readonly Value[] }
  /** The same elements in another shape; `of` is never itself a reshape. */
  | { readonly kind: "reshape"; readonly of: Value; readonly to: Value }
  | { readonly kind: "shape"; readonly of: Value }
  /**
   * A norm applied to a tensor: `norm.forward(x)`, or the function `rmsNorm(x, weight, eps)`. `norm` is the module; of a
   * function the weight when its name says whose it is, else the function. `args` are all that the callee is given.
   */
  | {
      readonly kind: "norm";
      readonly style: "module" | "function";
      readonly norm: Value;
      readonly of: Value;
      readonly callee: Value;
      readonly args: readonly Value[];
    }
  /** `wrapper(old, of)`: a call that gives back `of` and frees `old`. */
  | { readonly kind: "owned"; readonly wrapper: Value; readonly old: Value; readonly of: Value }
  | { readonly kind: "operation"; readonly operator: string; readonly operands: readonly Value[] }
  | { readonly kind: "choice"; readonly test: Value; readonly then: Value; readonly otherwise: Value }
  | { readonly kind: "await"; readonly of: Value }
  /** Nothing is known, except that it is one thing: a loop variable, a closure, an opaque expression. */
  | { readonly kind: "unknown"; readonly site: number };

export type ValueOf<K extends Value["kind"]> = Extract<Value, { kind: K }>;

export class ValueTable {
  readonly #known = new Map<string, Value>();

  of(content: ValueContent): Value {
    const key = keyOf(content);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const value = { ...content, id: this.#known.size } as Value;
    this.#known.set(key, value);
    return value;
  }

  literal(value: unknown): Value {
    return this.of({ kind: "literal", value });
  }

  attribute(object: Value, name: string): Value {
    return this.of({ kind: "attribute", object, name });
  }

  /** All items of a list or tuple at once, among others: `*shape`, `...shape`. */
  spread(of: Value): Value {
    return this.of({ kind: "operation", operator: "...", operands: [of] });
  }

  /** A reshape of a reshape is one reshape, and a reshape to a tensor's own shape is that tensor. */
  reshape(of: Value, to: Value): Value {
    const base = of.kind === "reshape" ? of.of : of;
    if (to.kind === "shape" && baseOf(to.of) === base) return to.of;
    return this.of({ kind: "reshape", of: base, to });
  }

  item(of: Value, index: Value): Value {
    if (of.kind === "tuple" && index.kind === "literal" && typeof index.value === "number") {
      const known = of.items.some(isSpread) ? undefined : of.items.at(index.value);
      return known ?? this.of({ kind: "item", of, index });
    }
    if (of.kind === "choice") {
      const [then, otherwise] = [this.item(of.then, index), this.item(of.otherwise, index)];
      return this.choice(of.test, then, otherwise);
    }
    return this.of({ kind: "item", of, index });
  }

  choice(test: Value, then: Value, otherwise: Value): Value {
    return then === otherwise ? then : this.of({ kind: "choice", test, then, otherwise });
  }
}

/** See `ValueTable.spread`. */
export function isSpread(value: Value): boolean {
  return value.kind === "operation" && value.operator === "...";
}

/** The tensor under a reshape. */
export function baseOf(value: Value): Value {
  return value.kind === "reshape" ? value.of : value;
}

/**
 * Whether a value is made of another one of its table. A walk over each part once: values share parts, so that there are far more ways to a
 * part than parts. What a value is made of was there before it, so that one with a smaller number holds nothing of a larger one.
 */
export function holds(value: Value, part: Value): boolean {
  const seen = new Set<Value>();
  const pending: Value[] = [value];
  for (let one = pending.pop(); one !== undefined; one = pending.pop()) {
    if (one === part) return true;
    if (one.id < part.id || seen.has(one)) continue;
    seen.add(one);
    pending.push(...partsOf(one));
  }
  return false;
}

function partsOf(value: Value): readonly Value[] {
  switch (value.kind) {
    case "reshape":
    case "owned":
    case "await":
      return [value.of];
    case "tuple":
      return value.items;
    case "choice":
      return [value.then, value.otherwise];
    case "operation":
      return value.operands;
    case "call":
      return [...value.args, value.callee];
    case "attribute":
      return [value.object];
    default:
      return [];
  }
}

/** Equal for equal contents only. Asked for each value that is worked out, so that each kind says what it is made of, instead of being searched. */
function keyOf(content: ValueContent): string {
  const { kind } = content;
  switch (kind) {
    case "self":
      return kind;
    case "param":
      return `${kind}|${content.index}|${content.name}`;
    case "free":
      return `${kind}|${content.name}`;
    case "attribute":
      return `${kind}|${content.object.id}|${content.name}`;
    case "literal":
      return `${kind}|${typeof content.value}|${String(content.value)}`;
    case "tuple":
      return `${kind}|${ids(content.items)}`;
    case "item":
      return `${kind}|${content.of.id}|${content.index.id}`;
    case "call":
      return `${kind}|${content.callee.id}|${ids(content.args)}`;
    case "reshape":
      return `${kind}|${content.of.id}|${content.to.id}`;
    case "shape":
    case "await":
      return `${kind}|${content.of.id}`;
    case "norm": {
      const { style, norm, of, callee, args } = content;
      return `${kind}|${style}|${norm.id}|${of.id}|${callee.id}|${ids(args)}`;
    }
    case "owned":
      return `${kind}|${content.wrapper.id}|${content.old.id}|${content.of.id}`;
    case "operation":
      return `${kind}|${content.operator}|${ids(content.operands)}`;
    case "choice":
      return `${kind}|${content.test.id}|${content.then.id}|${content.otherwise.id}`;
    case "unknown":
      return `${kind}|${content.site}`;
    default:
      return kind satisfies never;
  }
}

function ids(values: readonly Value[]): string {
  let joined = "";
  for (const { id } of values) joined += `${id},`;
  return joined;
}
