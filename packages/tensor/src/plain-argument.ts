import { QkNormError } from "@qknorm/core";
import { shown } from "./strides.ts";

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a function; `taker` is what asks for one. */
export function assertFunction(value: unknown, taker: string): asserts value is (...args: never) => unknown {
  if (typeof value !== "function") refuse(`${taker} takes a function`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an object; `what` names it. */
export function assertObject(value: unknown, what: string): asserts value is object {
  if (typeof value !== "object" || value === null) refuse(`${what} must be an object`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a number from `least` up: NaN is not. */
export function assertNumber(value: unknown, what: string, least: number): asserts value is number {
  if (typeof value !== "number" || !(value >= least)) refuse(`${what} must be a number >= ${least}`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an integer >= 0. */
export function assertCount(value: unknown, what: string): asserts value is number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) refuse(`${what} must be an integer >= 0`, value);
}

function refuse(wanted: string, value: unknown): never {
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${wanted}, got ${shown(value)}`);
}
