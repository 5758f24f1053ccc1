import { type FloatDtype, QkNormError } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import { type CpuIsa, dtypeNumbers, type NativeArray } from "./numbers.ts";

/** `[rows, width]` in memory, the last axis dense. Offset and stride count elements. */
export interface RowsView {
  readonly data: NativeArray;
  readonly dtype: FloatDtype;
  readonly offset: number;
  readonly rowStride: number;
}

/** `[tokens, heads, headDim]` in memory, the last axis dense. Offset and strides count elements. */
export interface HeadsView {
  readonly data: NativeArray;
  readonly offset: number;
  readonly tokenStride: number;
  readonly headStride: number;
}

/** `[n]` in memory. */
export interface VectorView {
  readonly data: NativeArray;
  readonly dtype: FloatDtype;
  readonly offset: number;
}

/**
 * The numbers of one function's calls. One array for all of them: the addon reads it before it returns, and allocating
 * one costs as much as a small call.
 */
export class ParamWriter {
  readonly array: Float64Array;
  #next = 0;

  constructor(count: number) {
    this.array = new Float64Array(count);
  }

  start(): this {
    this.#next = 0;
    return this;
  }

  // A Float64Array would turn "5", null or true into a number without a word.
  number(value: number, name: string): this {
    if (typeof value !== "number") {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `${name} must be a number, got ${typeof value}`);
    }
    this.array[this.#next++] = value;
    return this;
  }

  /** Reads the fraction by itself: as an argument it would be boxed wherever this call is not inlined. */
  eps(side: { readonly eps: number }): this {
    const value = side.eps;
    if (typeof value !== "number") {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `eps must be a number, got ${typeof value}`);
    }
    this.array[this.#next++] = value;
    return this;
  }

  choice<Name extends string>(numbers: Readonly<Record<Name, number>>, name: Name, what: string): this {
    const found = typeof name === "string" && Object.hasOwn(numbers, name) ? numbers[name] : undefined;
    if (found === undefined) {
      const code = what.toLowerCase().endsWith("dtype") ? "ERR_QKNORM_DTYPE" : "ERR_QKNORM_ARGUMENT";
      throw new QkNormError(
        code,
        `${what} must be one of ${Object.keys(numbers).join(", ")}, got ${String(name)}`,
      );
    }
    this.array[this.#next++] = found;
    return this;
  }

  isa(isa: CpuIsa | undefined): this {
    this.array[this.#next++] = isa === undefined ? -1 : isaNumber(isa);
    return this;
  }

  rows(view: RowsView, name: string): this {
    return this.vector(view, name).number(view.rowStride, `${name} rowStride`);
  }

  vector(view: VectorView, name: string): this {
    requireObject(view, name);
    return this.choice(dtypeNumbers, view.dtype, `${name} dtype`).number(view.offset, `${name} offset`);
  }

  heads(view: Omit<HeadsView, "data">, name: string): this {
    requireObject(view, name);
    return this.number(view.offset, `${name} offset`)
      .number(view.tokenStride, `${name} tokenStride`)
      .number(view.headStride, `${name} headStride`);
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` unless `value` has properties. */
export function requireObject(value: unknown, name: string): void {
  if (typeof value === "object" && value !== null) return;
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `${name} must be an object`);
}

const isaNumbers = new Map<CpuIsa, number>();

function isaNumber(isa: CpuIsa): number {
  let known = isaNumbers.get(isa);
  if (known === undefined) {
    known = requireBinding().isaNumber(isa);
    isaNumbers.set(isa, known);
  }
  return known;
}
