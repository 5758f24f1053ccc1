// Values that no type would let through, in each place of a call, as plain JavaScript passes them.
import { isQkNormError } from "@qknorm/core";

const strange: [string, unknown][] = [
  ["undefined", undefined],
  ["null", null],
  ["NaN", Number.NaN],
  ["-1.5", -1.5],
  ["a text", "x"],
  ["true", true],
  ["a bigint", 10n],
  ["a symbol", Symbol("s")],
  ["an empty array", []],
  ["an array of null", [null]],
  ["an empty object", {}],
  ["an object without a prototype", Object.create(null)],
  ["a function", () => {}],
  ["an array of another kind", new Int8Array(3)],
];

export type Loose = (...args: unknown[]) => unknown;

/** The arguments with a strange value in one place, or in one field of one. */
export function* spoilt(args: readonly unknown[]): Generator<[place: string, args: unknown[]]> {
  for (const [i, arg] of args.entries()) {
    for (const [name, value] of strange) {
      yield [`${i} = ${name}`, args.with(i, value)];
      if (!Array.isArray(arg) && !isPlain(arg)) continue;
      for (const field of Object.keys(arg)) {
        const changed = Array.isArray(arg) ? [...arg] : { ...arg };
        (changed as Record<string, unknown>)[field] = value;
        yield [`${i}.${field} = ${name}`, args.with(i, changed)];
      }
    }
  }
}

function isPlain(value: unknown): value is object {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

/** "taken", the code of the project's error, or whatever else was thrown. */
export function outcome(call: Loose, args: unknown[]): unknown {
  try {
    call(...args);
    return "taken";
  } catch (error) {
    return isQkNormError(error) ? error.code : error;
  }
}
