import { wrongArgument } from "./errors.ts";

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a number, which NaN is. `what` names it in the message. */
export function assertNumber(value: unknown, what: string): asserts value is number {
  if (typeof value === "number") return;
  throw wrongArgument(`${what} must be a number`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an object or null. */
export function assertObjectOrNull(value: unknown, what: string): asserts value is object | null {
  if (typeof value === "object") return;
  throw wrongArgument(`${what} must be an object or null`, value);
}
