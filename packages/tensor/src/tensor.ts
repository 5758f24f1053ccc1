import { formatShape, QkNormError } from "@qknorm/core";
import {
  axisOf,
  CheckedView,
  checkView,
  contiguousView,
  reshapedView,
  slicedView,
  splitViews,
  type TensorLayout,
  transposedView,
} from "./checked-view.ts";
import { CudaStorage } from "./cuda/storage.ts";
import { type Device, ordinalOf } from "./device.ts";
import {
  allocate,
  assertArray,
  assertDtype,
  bytesOf,
  type Dtype,
  decoder,
  encodeNumbers,
  type Storage,
} from "./dtype.ts";
import { assertMemory } from "./memory.ts";
import { isContiguous, readShape, shown, sizeOf } from "./strides.ts";
import { copyView } from "./transfer.ts";

/**
 * A row-major strided view of typed memory, on the CPU or on a CUDA device. `slice`, `split`, `transpose` and `view`
 * never copy; `contiguous` and `reshape` copy only if they must. There is no broadcasting and no arithmetic here: see
 * the ops.
 *
 * Memory of a device belongs to whoever made it, not to the garbage collector. A tensor and its views are one memory:
 * `dispose` of any of them frees it for all, `tidy` frees what was made inside.
 */
export class Tensor {
  readonly storage: Storage | CudaStorage;
  readonly dtype: Dtype;
  readonly device: Device;
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
  constructor(
    storage: Storage | CudaStorage,
    dtype: Dtype,
    shape: readonly number[],
    layout: TensorLayout = {},
  ) {
    let view = layout as CheckedView;
    if (!(layout instanceof CheckedView)) {
      assertDtype(dtype);
      if (!(storage instanceof CudaStorage)) assertArray(storage, dtype);
      view = checkView(shape, layout);
    }
    this.storage = storage;
    this.dtype = dtype;
    this.device = storage instanceof CudaStorage ? storage.device : "cpu";
    this.shape = view.shape;
    this.strides = view.strides;
    this.offset = view.offset;
    this.size = view.size;
    assertMemory(this, "a tensor");
    // Kernels address memory by these fields, so nothing may change them once they are checked.
    Object.freeze(this);
  }

  /** Whether a value is a tensor that the constructor made: a proxy or a look-alike is none. */
  static is(value: unknown): value is Tensor {
    return typeof value === "object" && value !== null && #show in value;
  }

  /**
   * A tensor of zeros. Throws as the constructor does; `ERR_QKNORM_SHAPE` when there is not that much memory on the CPU,
   * `ERR_CUDA` when there is not on the device, `ERR_QKNORM_DEVICE` when there is no such device.
   */
  static zeros(shape: readonly number[], dtype: Dtype = "f32", device: Device = "cpu"): Tensor {
    const tensor = Tensor.empty(shape, dtype, device);
    if (tensor.storage instanceof CudaStorage) tensor.storage.clear();
    return tensor;
  }

  /** A tensor of whatever the memory held; of zeros on the CPU. Throws as `zeros` does. */
  static empty(shape: readonly number[], dtype: Dtype = "f32", device: Device = "cpu"): Tensor {
    assertDtype(dtype);
    const view = contiguousView(shape);
    const ordinal = ordinalOf(device);
    const storage =
      ordinal === null
        ? allocate(dtype, view.size)
        : new CudaStorage(
            ordinal,
            view.size * bytesOf[dtype],
            () => `${formatShape(view.shape)} of ${dtype}`,
          );
    return new Tensor(storage, dtype, view.shape, view);
  }

  /**
   * A tensor of these numbers, each rounded once to the dtype; `[values.length]` unless a shape is given.
   *
   * Throws `ERR_QKNORM_SHAPE` when they do not fill the shape, `ERR_QKNORM_ARGUMENT` for values that are no numbers, and
   * for numbers that i32 does not hold exactly; `ERR_CUDA` and `ERR_QKNORM_DEVICE` as `zeros` does.
   */
  static from(
    values: ArrayLike<number>,
    shape?: readonly number[],
    dtype: Dtype = "f32",
    device: Device = "cpu",
  ): Tensor {
    assertDtype(dtype);
    const data = encodeNumbers(dtype, values);
    const dims = readShape(shape ?? [data.length], "shape");
    if (data.length !== sizeOf(dims)) {
      throw new QkNormError(
        "ERR_QKNORM_SHAPE",
        `${data.length} values do not fill shape ${formatShape(dims)}`,
      );
    }
    return new Tensor(data, dtype, dims).to(device);
  }

  /**
   * The elements in V8 memory, of which this view shows some. Throws `ERR_QKNORM_DEVICE` for a tensor on a CUDA device:
   * read a copy, `x.to("cpu").data`.
   */
  get data(): Storage {
    const { storage } = this;
    if (!(storage instanceof CudaStorage)) return storage;
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `a tensor on ${this.device} has no data that the CPU can read; copy it: x.to("cpu").data`,
    );
  }

  /** Whether elements lie in row-major order without gaps. */
  get contiguous(): boolean {
    return isContiguous(this.shape, this.strides);
  }

  /** The dimension of an axis; negative axes count from the end. */
  dim(axis: number): number {
    return this.shape[axisOf(this, axis)] as number;
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
    const view = reshapedView(this, shape);
    return view && this.#show(view);
  }

  /** Elements `[start, end)` of an axis; a view. */
  slice(axis: number, start: number, end: number): Tensor {
    return this.#show(slicedView(this, axis, start, end));
  }

  /** Consecutive slices of these sizes along an axis; views. The sizes must add up to the axis. */
  split(axis: number, sizes: readonly number[]): Tensor[] {
    return splitViews(this, axis, sizes).map((view) => this.#show(view));
  }

  /** Two axes exchanged; a view. */
  transpose(a: number, b: number): Tensor {
    return this.#show(transposedView(this, a, b));
  }

  /** This tensor if it is contiguous, otherwise a contiguous copy. */
  toContiguous(): Tensor {
    return this.contiguous ? this : this.clone();
  }

  /** A contiguous copy on the same device. */
  clone(): Tensor {
    return this.#copyTo(this.device);
  }

  /**
   * This tensor if it lies on the device already, otherwise a contiguous copy there. Copies to a device are queued on
   * its current stream, copies to the CPU wait for it.
   *
   * Throws `ERR_QKNORM_DEVICE`, `ERR_CUDA`, and `ERR_QKNORM_SCOPE` inside a capture.
   */
  to(device: Device): Tensor {
    return device === this.device ? this : this.#copyTo(device);
  }

  /**
   * Frees the memory of a device under this tensor and all its views, once what is queued has run; using them is
   * `ERR_QKNORM_LAYOUT` from then on. Twice is allowed; on the CPU it does nothing.
   */
  dispose(): void {
    if (this.storage instanceof CudaStorage) this.storage.free();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /**
   * Overwrites this view with the elements of a tensor of the same shape and dtype, on whatever device; returns this
   * view. The two may overlap: what is copied is what the source held before.
   *
   * Throws `ERR_QKNORM_DTYPE`, `ERR_QKNORM_SHAPE`, `ERR_QKNORM_LAYOUT` for memory that was taken away or freed and for
   * gaps that would take too many copies on a device, `ERR_QKNORM_OVERLAP` when elements of this view lie on one
   * another, `ERR_QKNORM_SCOPE` for a copy from or to the CPU inside a capture.
   */
  copyFrom(source: Tensor): this {
    if (!Tensor.is(source)) {
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `the source must be a Tensor, got ${shown(source)}`);
    }
    copyView(source, this);
    return this;
  }

  /** All values in row-major order, widened to f64. For tests and for small results: one call per element inside. */
  toNumbers(): Float64Array {
    return Float64Array.from(this.#copyTo("cpu").data as ArrayLike<number>, decoder(this.dtype));
  }

  #show(view: CheckedView): Tensor {
    return new Tensor(this.storage, this.dtype, view.shape, view);
  }

  #copyTo(device: Device): Tensor {
    const copy = Tensor.empty(this.shape, this.dtype, device);
    try {
      return copy.copyFrom(this);
    } catch (error) {
      copy.dispose();
      throw error;
    }
  }
}
