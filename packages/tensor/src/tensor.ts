import { formatShape, QkNormError } from "@qknorm/core";
import { copyElements } from "./copy.ts";
import {
  allocate,
  assertDtype,
  assertStorage,
  type Dtype,
  decoder,
  encodeNumber,
  type Storage,
} from "./dtype.ts";
import { assertMemory, assertNoSelfOverlap, mayShareMemory } from "./memory.ts";
import {
  contiguousStrides,
  isContiguous,
  readDims,
  readShape,
  reshapeStrides,
  shown,
  sizeOf,
} from "./strides.ts";

/** Where a tensor lies in its storage. Strides and offset count elements. */
export interface TensorLayout {
  readonly strides?: readonly number[];
  readonly offset?: number;
}

/**
 * A row-major strided view of typed memory. `slice`, `split`, `transpose` and `view` never copy; `contiguous` and
 * `reshape` copy only if they must. There is no broadcasting and no arithmetic here: see the ops.
 */
export class Tensor {
  readonly data: Storage;
  readonly dtype: Dtype;
  readonly device = "cpu";
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly size: number;

  /**
   * Wraps existing memory; nothing is copied.
   *
   * @param shape at most 64 dimensions, less than 2^53 elements
   * @throws QkNormError `ERR_QKNORM_DTYPE` when the array is of another type, `ERR_QKNORM_SHAPE` for shapes and strides
   *   that are not integers >= 0, `ERR_QKNORM_LAYOUT` when the view reaches past the memory (a detached buffer
   *   included), `ERR_QKNORM_ARGUMENT` for a layout that is no object
   */
  constructor(data: Storage, dtype: Dtype, shape: readonly number[], layout: TensorLayout = {}) {
    assertDtype(dtype);
    assertStorage(data, dtype);
    if (typeof layout !== "object" || layout === null) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `the layout must be an object, got ${shown(layout)}`);
    }
    this.shape = Object.freeze(readShape(shape, "shape"));
    const { strides = contiguousStrides(this.shape), offset = 0 } = layout;
    this.strides = Object.freeze(readShape(strides, "strides"));
    [this.offset] = readDims([offset], "offset") as [number];
    if (this.strides.length !== this.shape.length) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `shape ${formatShape(this.shape)} and strides ${formatShape(this.strides)} differ in length`,
      );
    }
    this.data = data;
    this.dtype = dtype;
    this.size = sizeOf(this.shape);
    assertMemory(this, "a tensor");
    // Kernels address memory by these fields, so nothing may change them once they are checked.
    Object.freeze(this);
  }

  /** Whether a value is a tensor that the constructor made: a proxy or a look-alike is none. */
  static is(value: unknown): value is Tensor {
    return typeof value === "object" && value !== null && #axis in value;
  }

  /** A tensor of zeros. Throws as the constructor does; `ERR_QKNORM_SHAPE` too when there is not that much memory. */
  static zeros(shape: readonly number[], dtype: Dtype = "f32"): Tensor {
    assertDtype(dtype);
    const dims = readShape(shape, "shape");
    return new Tensor(allocate(dtype, sizeOf(dims)), dtype, dims);
  }

  /**
   * A tensor of these numbers, each rounded once to the dtype; `[values.length]` unless a shape is given.
   *
   * Throws `ERR_QKNORM_SHAPE` when they do not fill the shape, `ERR_QKNORM_ARGUMENT` for values that are no numbers, and
   * for numbers that i32 does not hold exactly.
   */
  static from(values: ArrayLike<number>, shape?: readonly number[], dtype: Dtype = "f32"): Tensor {
    assertDtype(dtype);
    const count: unknown = typeof values === "object" ? values?.length : null;
    if (!Number.isSafeInteger(count)) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `values must be an array of numbers, got ${shown(values)}`,
      );
    }
    const dims = readShape(shape ?? [count], "shape");
    if (count !== sizeOf(dims)) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${count} values do not fill shape ${formatShape(dims)}`);
    }
    const tensor = Tensor.zeros(dims, dtype);
    for (let i = 0; i < tensor.size; i++) tensor.data[i] = encodeNumber(dtype, values[i]);
    return tensor;
  }

  /** Whether elements lie in row-major order without gaps. */
  get contiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  /** The dimension of an axis; negative axes count from the end. */
  dim(axis: number): number {
    return this.shape[this.#axis(axis)] as number;
  }

  /** The same elements under another shape of the same size: a view where strides allow, otherwise a copy. */
  reshape(shape: readonly number[]): Tensor {
    return this.tryView(shape) ?? (this.toContiguous().tryView(shape) as Tensor);
  }

  /** Like `reshape`, but throws `ERR_QKNORM_LAYOUT` rather than copy. */
  view(shape: readonly number[]): Tensor {
    const view = this.tryView(shape);
    if (view === null) {
      throw new QkNormError(
        "ERR_QKNORM_LAYOUT",
        `${formatShape(this.shape)} with strides ${formatShape(this.strides)} cannot be viewed as ${formatShape(shape)} without a copy`,
      );
    }
    return view;
  }

  /** Like `view`, but gives `null` rather than throw when it would take a copy. */
  tryView(shape: readonly number[]): Tensor | null {
    const next = readShape(shape, "shape");
    if (sizeOf(next) !== this.size) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${formatShape(this.shape)} cannot be reshaped to ${formatShape(next)}: sizes differ`,
      );
    }
    const strides = reshapeStrides(this.shape, this.strides, next);
    return strides && new Tensor(this.data, this.dtype, next, { strides, offset: this.offset });
  }

  /** Elements `[start, end)` of an axis; a view. */
  slice(axis: number, start: number, end: number): Tensor {
    const index = this.#axis(axis);
    const dim = this.shape[index] as number;
    if (
      !(Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end && end <= dim)
    ) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `slice [${shown(start)}, ${shown(end)}) is not within axis ${axis} of ${formatShape(this.shape)}`,
      );
    }
    const shape = this.shape.with(index, end - start);
    const offset = this.offset + start * (this.strides[index] as number);
    return new Tensor(this.data, this.dtype, shape, {
      strides: this.strides,
      offset: sizeOf(shape) === 0 ? this.offset : offset,
    });
  }

  /** Consecutive slices of these sizes along an axis; views. The sizes must add up to the axis. */
  split(axis: number, sizes: readonly number[]): Tensor[] {
    const parts = readDims(sizes, "sizes");
    if (parts.reduce((sum, size) => sum + size, 0) !== this.dim(axis)) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `sizes ${formatShape(parts)} do not add up to axis ${axis} of ${formatShape(this.shape)}`,
      );
    }
    let start = 0;
    return parts.map((size) => {
      start += size;
      return this.slice(axis, start - size, start);
    });
  }

  /** Two axes exchanged; a view. */
  transpose(a: number, b: number): Tensor {
    const [i, j] = [this.#axis(a), this.#axis(b)];
    const swap = (dims: readonly number[]): number[] =>
      dims.with(i, dims[j] as number).with(j, dims[i] as number);
    return new Tensor(this.data, this.dtype, swap(this.shape), {
      strides: swap(this.strides),
      offset: this.offset,
    });
  }

  /** This tensor if it is contiguous, otherwise a contiguous copy. */
  toContiguous(): Tensor {
    return this.contiguous ? this : this.clone();
  }

  /** A contiguous copy. */
  clone(): Tensor {
    return Tensor.zeros(this.shape, this.dtype).copyFrom(this);
  }

  /**
   * Overwrites this view with the elements of a tensor of the same shape and dtype; returns this view. The two may
   * overlap: what is copied is what the source held before.
   *
   * Throws `ERR_QKNORM_DTYPE`, `ERR_QKNORM_SHAPE`, `ERR_QKNORM_LAYOUT` for memory that was taken away, and
   * `ERR_QKNORM_OVERLAP` when elements of this view lie on one another.
   */
  copyFrom(source: Tensor): this {
    if (!Tensor.is(source)) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `the source must be a Tensor, got ${shown(source)}`);
    }
    if (source.dtype !== this.dtype) {
      throw new QkNormError("ERR_QKNORM_DTYPE", `cannot copy ${source.dtype} into ${this.dtype}`);
    }
    if (formatShape(source.shape) !== formatShape(this.shape)) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `cannot copy ${formatShape(source.shape)} into ${formatShape(this.shape)}`,
      );
    }
    assertMemory(source, "the source");
    assertMemory(this, "the target");
    assertNoSelfOverlap(this, "the target");
    copyElements(mayShareMemory(source, this) ? source.clone() : source, this);
    return this;
  }

  /** All values in row-major order, widened to f64. For tests and for small results: one call per element inside. */
  toNumbers(): Float64Array {
    return Float64Array.from(this.clone().data as ArrayLike<number>, decoder(this.dtype));
  }

  #axis(axis: number): number {
    const rank = this.shape.length;
    if (!Number.isSafeInteger(axis) || axis < -rank || axis >= rank) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${formatShape(this.shape)} has no axis ${shown(axis)}`);
    }
    return axis < 0 ? axis + rank : axis;
  }
}
