// Arguments that no type would let through, as plain JavaScript passes them.
import { describe, expect, test } from "vitest";
import {
  copyNormSpec,
  decodeBf16,
  decodeE4m3,
  decodeF16,
  encodeBf16,
  encodeE4m3,
  encodeF16,
  formatShape,
  isQkNormError,
  roundTo,
  sameCacheMemory,
  sameNormSpec,
  sameRopeSpec,
  scaleE4m3,
} from "./index.ts";

const spec = { kind: "rms", axis: "head", weight: null, eps: 0, weightOffset: 0, rounding: "once" } as const;
const noNumbers = [
  undefined,
  null,
  "",
  "1",
  true,
  10n,
  Symbol("1"),
  [],
  [1],
  {},
  Object.create(null),
  () => 1,
];
const noObjects = [undefined, 0, Number.NaN, "", "rms", true, 10n, Symbol("s")];

/** The code and message of what a call throws. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return isQkNormError(error) ? `${error.code}: ${error.message}` : String(error);
  }
  return "nothing";
}

const conversions: [string, (value: never) => number][] = Object.entries({
  ...{ encodeBf16, encodeF16, encodeE4m3, decodeBf16, decodeF16, decodeE4m3, scaleE4m3 },
});

describe.each(conversions)("%s", (_, convert) => {
  const call = convert as (value: unknown) => number;

  test("refuses what is no number, and takes NaN", () => {
    for (const value of noNumbers) {
      expect(refusal(() => call(value))).toMatch(/^ERR_QKNORM_ARGUMENT: .+ must be a number, got /);
    }
    expect(call(Number.NaN)).toBeTypeOf("number");
  });
});

test.each(["f32", "bf16", "f16"] as const)("roundTo refuses what is no number for %s", (dtype) => {
  for (const value of noNumbers) {
    expect(refusal(() => roundTo(dtype, value as number))).toMatch(
      /^ERR_QKNORM_ARGUMENT: .+ must be a number, got /,
    );
  }
});

test("formatShape refuses what is no array of numbers", () => {
  for (const shape of [
    undefined,
    null,
    3,
    "3",
    {},
    { length: 1 },
    [null],
    [Symbol("3")],
    [Object.create(null)],
  ]) {
    expect(refusal(() => formatShape(shape as number[]))).toMatch(
      /^ERR_QKNORM_SHAPE: a shape must be an array of numbers, got /,
    );
  }
});

test("copyNormSpec refuses what is no whole spec", () => {
  for (const value of [...noObjects, null, {}, [], { ...spec, eps: -1 }]) {
    expect(refusal(() => copyNormSpec(value as never))).toMatch(/^ERR_QKNORM_NORM: the copied norm's spec /);
  }
});

test("sameNormSpec refuses what is no object on either side", () => {
  for (const value of [...noObjects, null]) {
    expect(refusal(() => sameNormSpec(value as never, spec))).toMatch(
      /^ERR_QKNORM_NORM: the first norm's spec /,
    );
    expect(refusal(() => sameNormSpec(spec, value as never))).toMatch(
      /^ERR_QKNORM_NORM: the second norm's spec /,
    );
  }
});

test("sameRopeSpec and sameCacheMemory refuse what is neither an object nor null on either side", () => {
  const rope = { cos: 1, sin: 1, rounding: "hf" } as const;
  const cache = { k: 1, v: 1, slots: 1 };
  for (const value of noObjects) {
    for (const call of [
      () => sameRopeSpec(value as never, rope),
      () => sameRopeSpec(rope, value as never),
      () => sameCacheMemory(value as never, cache),
      () => sameCacheMemory(cache, value as never),
    ]) {
      expect(refusal(call)).toMatch(/^ERR_QKNORM_ARGUMENT: .+ must be an object or null, got /);
    }
  }
});
