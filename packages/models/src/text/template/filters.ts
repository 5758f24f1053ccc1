import { bind } from "./arguments.ts";
import type { Filter } from "./filter.ts";
import { NUMBER_FILTERS } from "./number-filters.ts";
import { attributeReader, SEQUENCE_FILTERS } from "./sequence-filters.ts";
import { callTest } from "./tests.ts";
import { TEXT_FILTERS } from "./text-filters.ts";
import { type Arguments, iterate, Lazy, truth, Undefined, type Value } from "./values.ts";

const FILTERS: ReadonlyMap<string, Filter> = new Map([
  ...TEXT_FILTERS,
  ...NUMBER_FILTERS,
  ...SEQUENCE_FILTERS,
]);

/** `value | name(args)`. @throws for a filter that Jinja does not have, or that is not supported here */
export function callFilter(name: string, value: Value, args: Arguments): Value {
  if (name === "map") return map(value, args);
  const selection = SELECTIONS[name];
  if (selection !== undefined) return select(value, args, selection);
  const filter = FILTERS.get(name);
  if (filter === undefined) throw new Error(`the filter "${name}" is not supported`);
  return filter.run(value, bind(name, filter.parameters, args));
}

/** The filters that keep the items for which a test holds, or does not, of the item or of an attribute. */
const SELECTIONS: Readonly<
  Record<string, { readonly keeps: boolean; readonly byAttribute: boolean } | undefined>
> = {
  select: { keeps: true, byAttribute: false },
  reject: { keeps: false, byAttribute: false },
  selectattr: { keeps: true, byAttribute: true },
  rejectattr: { keeps: false, byAttribute: true },
};

function select(
  value: Value,
  { positional, named }: Arguments,
  { keeps, byAttribute }: { readonly keeps: boolean; readonly byAttribute: boolean },
): Value {
  const [attribute, test, ...rest] = byAttribute ? positional : [null, ...positional];
  if (attribute === undefined) throw new Error("Missing parameter for attribute name");
  if (test !== undefined && typeof test !== "string") throw new Error("the name of a test must be a text");
  const read = attributeReader(attribute);
  const holds = (item: Value): boolean =>
    test === undefined ? truth(read(item)) : callTest(test, read(item), { positional: rest, named });
  return new Lazy(itemsUnlessEmpty(value).filter((item) => holds(item) === keeps));
}

/** Jinja looks into nothing that counts as false, be it None or 0. */
function itemsUnlessEmpty(value: Value): readonly Value[] {
  return truth(value) ? iterate(value) : [];
}

function map(value: Value, { positional, named }: Arguments): Value {
  const items = itemsUnlessEmpty(value);
  const [filter, ...rest] = positional;
  if (filter !== undefined) {
    if (typeof filter !== "string") throw new Error("the name of a filter must be a text");
    return new Lazy(items.map((item) => callFilter(filter, item, { positional: rest, named })));
  }
  const bound = bind("map", ["attribute", "default"], { positional: [], named });
  if (bound.value("attribute") === undefined) throw new Error("map requires a filter argument");
  const read = attributeReader(bound.value("attribute"));
  const fallback = bound.or("default", null);
  return new Lazy(
    items.map((item) => {
      const found = read(item);
      return found instanceof Undefined && fallback !== null ? fallback : found;
    }),
  );
}
