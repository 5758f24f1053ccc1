import type { Bound } from "./arguments.ts";
import type { Value } from "./values.ts";

/** A filter of Jinja, with the names of its parameters. */
export interface Filter {
  readonly parameters: readonly string[];
  readonly run: (value: Value, args: Bound) => Value;
}

/** Filters by name. */
export type FilterList = readonly (readonly [string, Filter])[];
