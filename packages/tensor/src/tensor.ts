import { formatShape, QkNormError } from "@qknorm/core";
import type { Memory, TensorView } from "./backend.ts";
import {
  axisOf,
  CheckedView,
  checkView,
  contiguousView,
  expandedView,
  reshapedView,
  slicedView,
  splitViews,
  type TensorLayout,
  transposedView,
} from "./checked-view.ts";
import type { Device } from "./device.ts";
import { backendOf, hostMemory } from "./devices.ts";
import { assertArray, assertDtype, type Dtype, decoder, encodeNumbers, type HostArray } from "./dtype.ts";
import { kindName, shownKind } from "./made-elsewhere.ts";
import { assertMemory } from "./overlap.ts";
import { isContiguous, readShape, sizeOf } from "./strides.ts";
import { copyView, read, readNow } from "./transfer.ts";

/**
 * A row-major strided view of typed memory, on whatever device. `slice`, `expand`, `split`, `transpose` and `view` never copy; `contiguous` and `reshape` copy only if they must. There is no broadcasting and no arithmetic here: see
 * the ops.
 *
 * Memory of a device belongs to whoever made it, not to the garbage collector. A tensor and its views are one memory:
 * `dispose` of any of them frees it for all, `tidy` frees what was made inside.
 */
export class Tensor implements TensorView {
  readonly memory: Memory;
  readonly dtype: Dtype;
  readonly device: Device;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly size: number;

  /**
   * Wraps existing memory, a typed array or that of another tensor; nothing is copied.
   *
   * @param shape at most 64 dimensions, less than 2^53 elements
   * @throws QkNormError `ERR_QKNORM_DTYPE` when the array is of another type, `ERR_QKNORM_SHAPE` for shapes and strides
   *   that are not integers >= 0, `ERR_QKNORM_LAYOUT` when the view reaches past the memory (a detached buffer
   *   included), `ERR_QKNORM_ARGUMENT` for a layout that is no object
   */
  constructor(memory: HostArray | Memory, dtype: Dtype, shape: readonly number[], layout: TensorLayout = {}) {
    let view = layout as CheckedView;
    if (!(layout instanceof CheckedView)) {
      assertDtype(dtype);
      view = checkView(shape, layout);
    }
    const held = isMemory(memory) ? memory.data : memory;
    if (held !== null || !isMemory(memory)) assertArray(held, dtype);
    this.memory = isMemory(memory) ? memory : hostMemory(memory);
    this.dtype = dtype;
    this.device = this.memory.backend.device;
    this.shape = view.shape;
    this.strides = view.strides;
    this.offset = view.offset;
    this.size = view.size;
    assertMemory(this, "a tensor");
    // Kernels address memory by these fields, so nothing may change them once they are checked.
    Object.freeze(this);
  }

  /** For messages of another copy of this package. */
  get [kindName](): string {
    return "a Tensor";
  }

  /** Whether a value is a tensor that the constructor made: a proxy, a look-alike, and another copy's is none. */
  static is(value: unknown): value is Tensor {
    return typeof value === "object" && value !== null && #show in value;
  }

  /**
   * A tensor of zeros. Throws as the constructor does; `ERR_QKNORM_SHAPE` when there is not that much memory on the CPU,
   * `ERR_CUDA` when there is not on the device, `ERR_QKNORM_DEVICE` when the device is not open.
   */
  static zeros(shape: readonly number[], dtype: Dtype = "f32", device: Device = "cpu"): Tensor {
    const tensor = Tensor.empty(shape, dtype, device);
    if (device !== "cpu") tensor.memory.backend.clear(tensor.memory);
    return tensor;
  }

  /** A tensor of whatever the memory held; of zeros on the CPU. Throws as `zeros` does. */
  static empty(shape: readonly number[], dtype: Dtype = "f32", device: Device = "cpu"): Tensor {
    assertDtype(dtype);
    const view = contiguousView(shape);
    const what = (): string => `${formatShape(view.shape)} of ${dtype}`;
    return new Tensor(backendOf(device).allocate(dtype, view.size, what), dtype, view.shape, view);
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
   * The elements in V8 memory, of which this view shows some. Throws `ERR_QKNORM_DEVICE` where only the device can read
   * them: `await x.read()`.
   */
  get data(): HostArray {
    const { data } = this.memory;
    if (data !== null) return data;
    throw new QkNormError(
      "ERR_QKNORM_DEVICE",
      `a tensor on ${this.device} has no data that the CPU can read; read a copy of it: await x.read(), or x.to("cpu").data`,
    );
  }

  /**
   * The elements in row-major order, once what was queued before has run: the same on every device. An array of its own;
   * bf16 and f16 as 16-bit patterns.
   *
   * Rejects with `ERR_QKNORM_LAYOUT` for memory that is gone, `ERR_QKNORM_SCOPE` inside a capture, `ERR_CUDA`.
   */
  read(): Promise<HostArray> {
    return read(this);
  }

  /** `read` for devices that can be waited for; throws `ERR_QKNORM_DEVICE` for others, and as `read` rejects. */
  readNow(): HostArray {
    return readNow(this);
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

  /** An axis of one element shown `count` times, for ops to read; a view. */
  expand(axis: number, count: number): Tensor {
    return this.#show(expandedView(this, axis, count));
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
    this.memory.free();
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
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `the source must be a Tensor, got ${shownKind(source)}`);
    }
    copyView(source, this);
    return this;
  }

  /** `readNow`, widened to f64. For tests and for small results: one call per element inside. */
  toNumbers(): Float64Array {
    return Float64Array.from(readNow(this) as ArrayLike<number>, decoder(this.dtype));
  }

  #show(view: CheckedView): Tensor {
    return new Tensor(this.memory, this.dtype, view.shape, view);
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

function isMemory(value: HostArray | Memory): value is Memory {
  return !ArrayBuffer.isView(value) && typeof (value as Partial<Memory> | null)?.backend === "object";
}
