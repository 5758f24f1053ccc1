import { QkNormError } from "@qknorm/core";
import type { Backend, IndexView, Memory, TensorView } from "./backend.ts";
import { kindName } from "./made-elsewhere.ts";
import { assertCount, assertObject } from "./plain-argument.ts";
import { shown } from "./strides.ts";

/**
 * Integers that address something: token ids, positions, cache slots, lengths. Values from the host are checked once,
 * here, and uploaded when a device first needs them. Values that a device made, as by sampling, carry a bound instead:
 * nobody on the host has seen them.
 *
 *     const ids = Indices.from([5, 17, 9]);
 *     gatherRows(table, ids, "bf16");
 */
export class Indices implements IndexView {
  readonly length: number;
  /** Every value is below it. */
  readonly bound: number;
  #distinct: boolean | null = null;
  /** On the host, once they are known there. */
  readonly #values: Int32Array | null;
  /** Where they lie on a device. */
  #there: TensorView | null;

  /**
   * Values of the host; they are copied.
   *
   * @throws QkNormError `ERR_QKNORM_ARGUMENT` unless all are integers from 0 to 2^31 - 1
   */
  static from(values: ArrayLike<number>): Indices {
    return Indices.#checked(values, 0);
  }

  /** Slots of a cache, where -1 says that a token goes nowhere. Throws as `from` does. */
  static slots(values: ArrayLike<number>): Indices {
    return Indices.#checked(values, -1);
  }

  static #checked(values: ArrayLike<number>, least: number): Indices {
    const count: unknown = typeof values === "object" ? values?.length : null;
    if (!Number.isSafeInteger(count) || (count as number) < 0) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `indices must be an array of integers, got ${shown(values)}`,
      );
    }
    const checked = roomFor(count as number);
    let largest = -1;
    for (let i = 0; i < checked.length; i++) {
      const value: unknown = values[i];
      if (typeof value !== "number" || (value | 0) !== value || value < least) {
        throw new QkNormError(
          "ERR_QKNORM_ARGUMENT",
          `an index must be an integer from ${least} to ${2 ** 31 - 1}, got ${shown(value)} at ${i}`,
        );
      }
      checked[i] = value;
      if (value > largest) largest = value;
    }
    return new Indices(checked.length, largest + 1, checked, null);
  }

  /** `count` values from `start` up: positions of new tokens. Throws as `from` does. */
  static range(start: number, count: number): Indices {
    assertCount(start, "the first index");
    assertCount(count, "how many indices there are");
    if (start + count > 2 ** 31)
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `an index must be below 2^31, got ${start + count - 1}`);
    const values = roomFor(count).map((_, i) => start + i);
    return new Indices(count, count === 0 ? 0 : start + count, values, null);
  }

  /**
   * Values that a device made: a dense i32 `[N]`, each of which the device keeps in `0..bound - 1`. On CUDA, a position, a
   * slot, a row or an expert that lies outside of what an op addresses all the same counts as the last (a slot is left out), and
   * whoever waits for the device next gets `ERR_QKNORM_ARGUMENT` with the first of them.
   *
   * @throws QkNormError `ERR_QKNORM_DTYPE` and `ERR_QKNORM_SHAPE` for another view, `ERR_QKNORM_ARGUMENT` for what is none,
   *   and for a bound that is no integer >= 0
   */
  static onDevice(values: TensorView, bound: number): Indices {
    assertObject(values, "what lies on a device");
    if (
      typeof (values.memory as Partial<Memory> | undefined)?.backend !== "object" ||
      !Array.isArray(values.shape)
    ) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        "what lies on a device must be a tensor: it has no memory or no shape",
      );
    }
    if (values.dtype !== "i32") {
      throw new QkNormError("ERR_QKNORM_DTYPE", `indices must be i32, got ${values.dtype}`);
    }
    if (values.shape.length !== 1 || (values.size > 1 && values.strides[0] !== 1)) {
      throw new QkNormError("ERR_QKNORM_SHAPE", "indices on a device must be a dense [N]");
    }
    if (!Number.isSafeInteger(bound) || bound < 0) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `a bound must be an integer >= 0, got ${shown(bound)}`);
    }
    return new Indices(values.size, bound, null, values);
  }

  private constructor(length: number, bound: number, values: Int32Array | null, there: TensorView | null) {
    this.length = length;
    this.bound = bound;
    this.#values = values;
    this.#there = there;
  }

  /** For messages of another copy of this package. */
  get [kindName](): string {
    return "Indices";
  }

  /** Whether a value is made by one of the functions above. */
  static is(value: unknown): value is Indices {
    return typeof value === "object" && value !== null && #values in value;
  }

  /** Whether no value from 0 up stands twice, as far as the host knows: so too of values that a device made. */
  get distinct(): boolean {
    this.#distinct ??= this.#values === null || areDistinct(this.#values);
    return this.#distinct;
  }

  /** On the host; `null` for values that a device made. Nobody may write them. */
  get values(): Int32Array | null {
    return this.#values;
  }

  /**
   * On a device, uploaded by the first call and again after that memory was freed: i32 `[N]`.
   *
   * @throws QkNormError `ERR_QKNORM_DEVICE` for values that another device made, `ERR_QKNORM_LAYOUT` when they were freed,
   *   `ERR_QKNORM_ARGUMENT` for what is no backend
   */
  on(backend: Backend): TensorView {
    const there = this.#there;
    if (there !== null && there.memory.backend === backend && !there.memory.freed) return there;
    const values = this.#values;
    if (values === null) {
      const made = (there as TensorView).memory;
      if (made.backend !== backend) {
        throw new QkNormError(
          "ERR_QKNORM_DEVICE",
          `these indices were made on ${made.backend.device} and are asked for on ${backend.device}; read them first`,
        );
      }
      throw new QkNormError(
        "ERR_QKNORM_LAYOUT",
        `these indices lie in memory of ${backend.device} that was freed`,
      );
    }
    if (typeof (backend as Partial<Backend> | null | undefined)?.allocate !== "function") {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `indices lie on a backend (backendOf(device)), not on ${shown(backend)}`,
      );
    }
    const memory: Memory = backend.allocate("i32", values.length, () => `${values.length} indices`);
    backend.write(memory, 0, values);
    this.#there = {
      ...{ memory, dtype: "i32", shape: [values.length], strides: [1], offset: 0, size: values.length },
    };
    return this.#there;
  }
}

/** Throws `ERR_QKNORM_ARGUMENT` for more indices than there is memory for. */
function roomFor(count: number): Int32Array {
  try {
    return new Int32Array(count);
  } catch (cause) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `there is no memory for ${count} indices`, { cause });
  }
}

function areDistinct(values: Int32Array): boolean {
  if (values.every((value, i) => i === 0 || value > (values[i - 1] as number))) return true;
  const counted = values.filter((value) => value >= 0);
  return new Set(counted).size === counted.length;
}
