import { decodeBf16, decodeF16, encodeBf16, encodeF16, formatShape, QkNormError } from "@qknorm/core";
import { allocate, assertDtype, assertStorage, type Dtype, type Storage } from "./dtype.ts";
import { contiguousStrides, isContiguous, reshapeStrides, sizeOf } from "./strides.ts";

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
   * Throws `ERR_QKNORM_DTYPE` when the array is of another type, `ERR_QKNORM_SHAPE` for shapes and strides that are
   * not non-negative integers, `ERR_QKNORM_LAYOUT` when the view reaches past the memory (a detached buffer included).
   */
  constructor(data: Storage, dtype: Dtype, shape: readonly number[], layout: TensorLayout = {}) {
    assertDtype(dtype);
    assertStorage(data, dtype);
    assertDims(shape, "shape");
    const { strides = contiguousStrides(shape), offset = 0 } = layout;
    assertDims(strides, "strides");
    assertDims([offset], "offset");
    if (strides.length !== shape.length) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `shape ${formatShape(shape)} and strides ${formatShape(strides)} differ in length`,
      );
    }
    const size = sizeOf(shape);
    const last = shape.reduce((reach, dim, axis) => reach + (dim - 1) * (strides[axis] as number), offset);
    if (size > 0 && last >= data.length) {
      throw new QkNormError(
        "ERR_QKNORM_LAYOUT",
        `a tensor of shape ${formatShape(shape)} from element ${offset} needs ${last + 1} elements, the memory has ${data.length}`,
      );
    }
    this.data = data;
    this.dtype = dtype;
    this.shape = [...shape];
    this.strides = [...strides];
    this.offset = offset;
    this.size = size;
  }

  /** A tensor of zeros. */
  static zeros(shape: readonly number[], dtype: Dtype = "f32"): Tensor {
    assertDtype(dtype);
    assertDims(shape, "shape");
    return new Tensor(allocate(dtype, sizeOf(shape)), dtype, shape);
  }

  /** A tensor of these numbers, each rounded once to the dtype. */
  static from(
    values: ArrayLike<number>,
    shape: readonly number[] = [values.length],
    dtype: Dtype = "f32",
  ): Tensor {
    const tensor = Tensor.zeros(shape, dtype);
    if (values.length !== tensor.size) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${values.length} values do not fill shape ${formatShape(shape)}`,
      );
    }
    const encode = dtype === "bf16" ? encodeBf16 : dtype === "f16" ? encodeF16 : (value: number) => value;
    for (let i = 0; i < tensor.size; i++) tensor.data[i] = encode(values[i] as number);
    return tensor;
  }

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
    assertDims(shape, "shape");
    if (sizeOf(shape) !== this.size) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${formatShape(this.shape)} cannot be reshaped to ${formatShape(shape)}: sizes differ`,
      );
    }
    const strides = reshapeStrides(this.shape, this.strides, shape);
    return strides && new Tensor(this.data, this.dtype, shape, { strides, offset: this.offset });
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
        `slice [${start}, ${end}) is not within axis ${axis} of ${formatShape(this.shape)}`,
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
    const total = sizes.reduce((sum, size) => sum + size, 0);
    if (total !== this.dim(axis)) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `sizes ${formatShape(sizes)} do not add up to axis ${axis} of ${formatShape(this.shape)}`,
      );
    }
    let start = 0;
    return sizes.map((size) => {
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

  /** Overwrites this view with the elements of a tensor of the same shape and dtype; returns this view. */
  copyFrom(source: Tensor): this {
    if (source.dtype !== this.dtype) {
      throw new QkNormError("ERR_QKNORM_DTYPE", `cannot copy ${source.dtype} into ${this.dtype}`);
    }
    if (
      source.shape.length !== this.shape.length ||
      source.shape.some((dim, axis) => dim !== this.shape[axis])
    ) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `cannot copy ${formatShape(source.shape)} into ${formatShape(this.shape)}`,
      );
    }
    copyAxis(source, source.offset, this, this.offset, 0);
    return this;
  }

  /** All values in row-major order, widened to f64. For tests and for small results: one call per element inside. */
  toNumbers(): Float64Array {
    const { data } = this.clone();
    const decode =
      this.dtype === "bf16" ? decodeBf16 : this.dtype === "f16" ? decodeF16 : (value: number) => value;
    return Float64Array.from(data as ArrayLike<number>, decode);
  }

  #axis(axis: number): number {
    const index = axis < 0 ? axis + this.shape.length : axis;
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.shape.length) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${formatShape(this.shape)} has no axis ${axis}`);
    }
    return index;
  }
}

// Copies one axis of a view into the same axis of another; runs that are dense in both are copied whole.
function copyAxis(source: Tensor, from: number, target: Tensor, to: number, axis: number): void {
  const rest = source.shape.slice(axis);
  if (isContiguous(rest, source.strides.slice(axis)) && isContiguous(rest, target.strides.slice(axis))) {
    target.data.set(source.data.subarray(from, from + sizeOf(rest)), to);
    return;
  }
  const [sourceStep, targetStep] = [source.strides[axis] as number, target.strides[axis] as number];
  for (let i = 0; i < (source.shape[axis] as number); i++) {
    copyAxis(source, from + i * sourceStep, target, to + i * targetStep, axis + 1);
  }
}

function assertDims(dims: unknown, what: string): void {
  if (!Array.isArray(dims) || !dims.every((dim) => Number.isSafeInteger(dim) && dim >= 0)) {
    const seen = Array.isArray(dims) ? `[${dims.map(String).join(", ")}]` : typeof dims;
    throw new QkNormError("ERR_QKNORM_SHAPE", `${what} must be integers >= 0, got ${seen}`);
  }
}
