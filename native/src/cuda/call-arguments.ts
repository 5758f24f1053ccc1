// What this folder's functions and classes are called with, looked at before anything of it is read.
import { QkNormError } from "@qknorm/core";
import { requireStream } from "./stream.ts";

type Fields = Readonly<Record<string, unknown>>;

/** Throws `ERR_QKNORM_ARGUMENT` for what is no `CudaKernels`; what gives kernels for a known device will do. */
export function requireKernels(kernels: unknown): void {
  const { device, get } = (kernels ?? {}) as { device?: { arch?: unknown } | null; get?: unknown };
  if (typeof device?.arch !== "string" || typeof get !== "function")
    refuse("kernels must be the CudaKernels of a device", kernels);
}

/** Throws `ERR_QKNORM_ARGUMENT` for what describes no device. */
export function requireDevice(device: unknown): void {
  if (typeof (device as { arch?: unknown } | null | undefined)?.arch !== "string")
    refuse("a device must be one that cudaDevice describes", device);
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no object, or lacks one of the objects of these names. */
export function requireFields(value: unknown, what: string, names: readonly string[] = []): void {
  if (typeof value !== "object" || value === null) refuse(`${what} must be an object`, value);
  for (const name of names) {
    const field = (value as Fields)[name];
    if (typeof field !== "object" || field === null) refuse(`${name} of ${what} must be an object`, field);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` unless all of these operands say the memory that they lie in. Every launch comes by here. */
export function requireOperands(value: unknown, what: string, names: readonly string[]): void {
  if (typeof value !== "object" || value === null) refuse(`${what} must be an object`, value);
  for (const name of names) {
    const { memory } = ((value as Fields)[name] ?? {}) as { memory?: unknown };
    if (typeof memory !== "object" || memory === null)
      refuse(`${name} of ${what} must say its memory`, (value as Fields)[name]);
  }
}

/** All three at once, for a function that queues one kernel. */
export function requireCall(
  kernels: unknown,
  stream: unknown,
  call: unknown,
  what: string,
  names: readonly string[],
): void {
  requireKernels(kernels);
  requireStream(stream);
  requireOperands(call, what, names);
}

/** A size that scratch is asked for. Throws `ERR_QKNORM_ARGUMENT` unless it is an integer from 1. */
export function requireSizes(sizes: Readonly<Record<string, unknown>>): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || (size as number) < 1)
      refuse(`${name} must be an integer from 1`, size);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no array. */
export function requireList(value: unknown, what: string): void {
  if (!Array.isArray(value)) refuse(`${what} must be an array`, value);
}

function refuse(wanted: string, value: unknown): never {
  const got = typeof value === "object" && value !== null ? "an object" : String(value);
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${wanted}, got ${got}`);
}
