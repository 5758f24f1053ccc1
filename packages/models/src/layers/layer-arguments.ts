// What a caller makes layers from, looked at before any memory is taken. Nothing here runs in a forward pass.
import { QkNormError } from "@qknorm/core";
import { shown } from "../checkpoint/shown-value.ts";
import type { LayerOptions } from "./module.ts";

const WEIGHT_DTYPES: readonly unknown[] = ["f32", "bf16", "f16"];
const ROUNDINGS: readonly unknown[] = ["once", "hf"];

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an object; `what` names it. */
export function assertObject(value: unknown, what: string): asserts value is object {
  if (typeof value !== "object" || value === null) refuse(`${what} must be an object`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is an array. */
export function assertList(value: unknown, what: string): asserts value is readonly unknown[] {
  if (!Array.isArray(value)) refuse(`${what} must be an array`, value);
}

/** As `assertObject`; null is taken too, and a field that was left out is not. */
export function assertObjectOrNull(value: unknown, what: string): asserts value is object | null {
  if (typeof value !== "object") refuse(`${what} must be an object or null`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless each value is an integer from `least` up. */
export function assertSizes(sizes: Readonly<Record<string, unknown>>, least: number): void {
  for (const [name, size] of Object.entries(sizes)) {
    if (!Number.isSafeInteger(size) || (size as number) < least)
      refuse(`${name} must be an integer from ${least}`, size);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a number. Every layer of a pass comes by here. */
export function assertNumber(value: unknown, what: string): asserts value is number {
  if (typeof value !== "number") refuse(`${what} must be a number`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` unless the value is a string. */
export function assertText(value: unknown, what: string): asserts value is string {
  if (typeof value !== "string") refuse(`${what} must be a string`, value);
}

/** Throws `ERR_QKNORM_ARGUMENT` for options of a layer without a dtype of its weights or a rounding. */
export function assertLayerOptions(options: unknown): asserts options is LayerOptions {
  assertObject(options, "the options of a layer");
  const { weightDtype } = options as Partial<LayerOptions>;
  if (!WEIGHT_DTYPES.includes(weightDtype)) refuse('weightDtype must be "f32", "bf16" or "f16"', weightDtype);
  assertRounding(options);
}

/** Throws `ERR_QKNORM_ARGUMENT` for options without a rounding. */
export function assertRounding(options: unknown): asserts options is Pick<LayerOptions, "rounding"> {
  assertObject(options, "the options of a layer");
  const { rounding } = options as Partial<LayerOptions>;
  if (!ROUNDINGS.includes(rounding)) refuse('rounding must be "once" or "hf"', rounding);
}

export function refuse(wanted: string, value: unknown): never {
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${wanted}, got ${shown(value)}`);
}
