import type { Bound } from "./arguments.ts";
import type { FilterList } from "./filter.ts";
import { fixed } from "./python-format.ts";
import { asNumber, unary } from "./python-operators.ts";
import { pythonStrip } from "./python-spaces.ts";
import { typeName, Undefined, type Value } from "./values.ts";

/** Filters that work on a number, or make one. */
export const NUMBER_FILTERS: FilterList = [
  ["int", { parameters: ["default"], run: (value, args) => toInt(value) ?? args.or("default", 0n) }],
  ["float", { parameters: ["default"], run: (value, args) => toFloat(value) ?? args.or("default", 0) }],
  ["abs", { parameters: [], run: absolute }],
  ["round", { parameters: ["precision", "method"], run: round }],
];

function toInt(value: Value): Value | null {
  if (typeof value === "string" && /^[+-]?\d+(_\d+)*$/.test(trimmed(value)))
    return BigInt(trimmed(value).replaceAll("_", "").replace(/^\+/, ""));
  const number = typeof value === "bigint" ? value : toFloat(value);
  if (typeof number === "bigint") return number;
  return number === null || !Number.isFinite(number) ? null : BigInt(Math.trunc(number));
}

function toFloat(value: Value): number | null {
  const number = asNumber(value);
  if (number !== null) return Number(number);
  if (value instanceof Undefined) throw value.error;
  if (typeof value !== "string") return null;
  const text = trimmed(value).toLowerCase();
  const special = /^([+-]?)(?:(inf(?:inity)?)|nan)$/.exec(text);
  if (special !== null) return special[2] === undefined ? Number.NaN : Number(`${special[1]}Infinity`);
  return /^[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)(e[+-]?\d+)?$/.test(text)
    ? Number(text.replaceAll("_", ""))
    : null;
}

function trimmed(text: string): string {
  return pythonStrip(text, "strip");
}

function absolute(value: Value): Value {
  const number = asNumber(value);
  if (number !== null) return number < 0 ? -number : number;
  if (value instanceof Undefined) throw value.error;
  throw new Error(`bad operand type for abs(): '${typeName(value)}'`);
}

function round(value: Value, args: Bound): Value {
  const digits = args.int("precision", 0);
  const method = args.text("method", "common");
  const number = asNumber(unary("+", value))!;
  if (!["common", "ceil", "floor"].includes(method)) throw new Error("method must be common, ceil or floor");
  if (digits < 0 || digits > 15) throw new Error("round: the precision must be from 0 to 15");
  if (method !== "common")
    return Math[method as "ceil" | "floor"](Number(number) * 10 ** digits) / 10 ** digits;
  if (typeof number === "bigint" || !Number.isFinite(number) || Math.abs(number) >= 1e21) return number;
  return Number(fixed(number, digits));
}
