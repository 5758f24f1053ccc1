// What the tests of linear, attention, RoPE and the elementwise ops share: tensors with guarded memory around them.
import { type FloatDtype, roundTo } from "@qknorm/core";
import * as fc from "fast-check";
import { expect } from "vitest";
import type { NativeArray } from "../src/index.ts";
import { allocate, bitsOf, dtypes, isas, randomFrom, read, write } from "./qk-norm-case.ts";

export const anyDtype = fc.constantFrom(...dtypes);
export const anyIsa = fc.constantFrom(...isas);
export const anyRounding = fc.constantFrom("once" as const, "hf" as const);

/** Normal-ish values around zero, from a seed. */
export function gauss(seed: number): () => number {
  const random = randomFrom(seed);
  return () => (random() + random() + random() + random() - 2) * 1.7;
}

/** `[tokens, heads, row]` inside an array that has other elements before, between and after. */
export class Guarded {
  readonly dtype: FloatDtype;
  readonly tokens: number;
  readonly heads: number;
  readonly row: number;
  readonly data: NativeArray;
  readonly offset: number;
  readonly headStride: number;
  readonly tokenStride: number;
  #before: Uint16Array | Uint32Array | undefined;

  constructor(dtype: FloatDtype, tokens: number, heads: number, row: number, value: () => number, gap = 3) {
    this.dtype = dtype;
    this.tokens = tokens;
    this.heads = heads;
    this.row = row;
    this.offset = 2 * gap + 1;
    this.headStride = row + gap;
    this.tokenStride = heads * this.headStride + gap;
    const length = this.offset + tokens * this.tokenStride + gap;
    this.data = allocate(dtype, length);
    for (let i = 0; i < length; i++) write(dtype, this.data, i, value());
  }

  get rowStride(): number {
    return this.tokenStride;
  }

  at(token: number, head: number, i: number): number {
    return this.offset + token * this.tokenStride + head * this.headStride + i;
  }
  get(token: number, head: number, i: number): number {
    return read(this.dtype, this.data, this.at(token, head, i));
  }
  set(token: number, head: number, i: number, value: number): void {
    write(this.dtype, this.data, this.at(token, head, i), value);
  }

  /** All of the array, decoded; for `at`. */
  values(): Float64Array {
    return Float64Array.from(this.data, (_, i) => read(this.dtype, this.data, i));
  }

  /** The bits of one row. */
  bits(token: number, head = 0): Uint16Array | Uint32Array {
    return bitsOf(this.data).slice(this.at(token, head, 0), this.at(token, head, this.row));
  }
  allBits(): (Uint16Array | Uint32Array)[] {
    return Array.from({ length: this.tokens * this.heads }, (_, i) =>
      this.bits(Math.floor(i / this.heads), i % this.heads),
    );
  }

  remember(): this {
    this.#before = bitsOf(this.data).slice();
    return this;
  }
  /** Since `remember`, nothing has changed but the first `width` elements of each row. */
  expectUntouched(width = 0): void {
    const before = this.#before!.slice();
    const after = bitsOf(this.data).slice();
    for (let t = 0; t < this.tokens; t++) {
      for (let h = 0; h < this.heads; h++) {
        before.fill(0, this.at(t, h, 0), this.at(t, h, width));
        after.fill(0, this.at(t, h, 0), this.at(t, h, width));
      }
    }
    expect(Buffer.from(after.buffer).equals(Buffer.from(before.buffer)), "memory around the rows").toBe(true);
  }
}

/** Whether `actual` is a correctly rounded value of something within `error` of `wanted`. */
export function expectRounded(
  dtype: FloatDtype,
  actual: number,
  wanted: number,
  error: number,
  where: string,
) {
  if (Number.isNaN(wanted)) return expect(actual, where).toBeNaN();
  const [low, high] = [roundTo(dtype, wanted - error), roundTo(dtype, wanted + error)];
  if (!(actual >= low && actual <= high)) {
    expect.fail(`${where}: ${actual} is not between ${low} and ${high} (${dtype})`);
  }
}

/** The code of the error that `run` throws, or "none". */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
  return "none";
}
