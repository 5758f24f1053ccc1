import { QkNormError } from "@qknorm/core";
import type { Memory } from "./backend.ts";
import { assertFunction } from "./plain-argument.ts";
import { release, scoped } from "./scope.ts";
import { Tensor } from "./tensor.ts";

/**
 * Runs `fn` and frees the memory of devices that was allocated inside, but for the tensors it returns, alone or in arrays
 * and objects at any depth; those belong to the surrounding `tidy`, if there is one. After an exception all of it is
 * freed. CPU tensors are the garbage collector's, so that the same code runs on every device.
 *
 *     const scores = tidy(() => head(body(x))); // what body made is gone, x and scores are not
 *
 * Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous: its memory would be freed before it is used; `ERR_QKNORM_ARGUMENT`
 * for what is no function.
 */
export function tidy<R>(fn: () => R): R {
  assertFunction(fn, "tidy");
  return scoped(fn, (result) => {
    refusePromise(result, "tidy");
    return memoriesIn(result);
  });
}

/**
 * Runs `fn`. After an exception the memory of devices that was allocated inside is freed; otherwise all of it stays, and
 * belongs to the surrounding `tidy`, if there is one: for what is made whole or not at all, as a model is.
 *
 * Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous, `ERR_QKNORM_ARGUMENT` for what is no function.
 */
export function freeOnFailure<R>(fn: () => R): R {
  assertFunction(fn, "freeOnFailure");
  return scoped(fn, (result) => {
    refusePromise(result, "freeOnFailure");
    return { has: () => true };
  });
}

/**
 * Takes tensors out of every `tidy` that surrounds this call: they live until they are disposed, as what a cache holds
 * must. Returns what it was given: a tensor, or tensors in arrays and objects at any depth.
 */
export function keep<T>(held: T): T {
  for (const memory of memoriesIn(held)) release(memory);
  return held;
}

function refusePromise(result: unknown, scope: string): void {
  if (typeof (result as { then?: unknown } | null | undefined)?.then !== "function") return;
  // Nobody can await the promise any more: its own failure must not end the process as an unhandled rejection.
  if (result instanceof Promise) result.catch(() => {});
  throw new QkNormError("ERR_QKNORM_SCOPE", `${scope} takes a synchronous function; await outside of it`);
}

function memoriesIn(result: unknown): Set<Memory> {
  const found = new Set<Memory>();
  const seen = new Set<unknown>();
  const open = [result];
  while (open.length > 0) {
    const value = open.pop();
    if (typeof value !== "object" || value === null || ArrayBuffer.isView(value) || seen.has(value)) continue;
    seen.add(value);
    if (Tensor.is(value)) found.add(value.memory);
    else for (const part of value instanceof Map ? value.values() : Object.values(value)) open.push(part);
  }
  return found;
}
