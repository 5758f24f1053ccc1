import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a number, which NaN is. `what` names it in the message. */
export function assertNumber(value: unknown, what: string): asserts value is number {
  if (typeof value === "number") return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${what} must be a number, got ${describe(value)}`);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an object or null. */
export function assertObjectOrNull(value: unknown, what: string): asserts value is object | null {
  if (typeof value === "object") return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${what} must be an object or null, got ${describe(value)}`);
}
