import { formatShape, QkNormError } from "@qknorm/core";
import {
  contiguousStrides,
  readDims,
  readShape,
  replaced,
  reshapeStrides,
  shown,
  sizeOf,
  type View,
} from "./strides.ts";

/** Where a tensor lies in its memory. Strides and offset count elements. */
export interface TensorLayout {
  readonly strides?: readonly number[];
  readonly offset?: number;
}

/** A view whose numbers were checked, or follow from numbers that were: a tensor takes them as they are. */
export class CheckedView implements View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
  readonly size: number;

  /** The arrays are frozen. */
  constructor(shape: readonly number[], strides: readonly number[], offset: number) {
    this.shape = shape;
    this.strides = strides;
    this.offset = offset;
    this.size = sizeOf(shape);
  }
}

/**
 * Checks a shape and a layout. Throws `ERR_QKNORM_SHAPE` for shapes and strides that are not integers >= 0 or differ in
 * length, `ERR_QKNORM_ARGUMENT` for a layout that is no object.
 */
export function checkView(shape: readonly number[], layout: TensorLayout): CheckedView {
  if (typeof layout !== "object" || layout === null) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `the layout must be an object, got ${shown(layout)}`);
  }
  const dims = readShape(shape, "shape");
  const { strides = contiguousStrides(dims), offset = 0 } = layout;
  const steps = readShape(strides, "strides");
  const [start] = readDims([offset], "offset") as [number];
  if (steps.length !== dims.length) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `shape ${formatShape(dims)} and strides ${formatShape(steps)} differ in length`,
    );
  }
  return new CheckedView(Object.freeze(dims), Object.freeze(steps), start);
}

/** All of a new memory, row by row. Throws `ERR_QKNORM_SHAPE` for what is no shape. */
export function contiguousView(shape: readonly number[]): CheckedView {
  const dims = readShape(shape, "shape");
  return new CheckedView(Object.freeze(dims), Object.freeze(contiguousStrides(dims)), 0);
}

/** The same elements under another shape, or `null` where that takes a copy. Throws `ERR_QKNORM_SHAPE` for another size. */
export function reshapedView(view: View, shape: readonly number[]): CheckedView | null {
  const next = readShape(shape, "shape");
  if (sizeOf(next) !== sizeOf(view.shape)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${formatShape(view.shape)} cannot be reshaped to ${formatShape(next)}: sizes differ`,
    );
  }
  const strides = reshapeStrides(view.shape, view.strides, next);
  return strides && new CheckedView(Object.freeze(next), Object.freeze(strides), view.offset);
}

/** Elements `[start, end)` of an axis. Throws `ERR_QKNORM_SHAPE` where they are not within it. */
export function slicedView(view: View, axis: number, start: number, end: number): CheckedView {
  const index = axisOf(view, axis);
  const inside = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end;
  if (!inside || end > (view.shape[index] as number)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `slice [${shown(start)}, ${shown(end)}) is not within axis ${axis} of ${formatShape(view.shape)}`,
    );
  }
  return rangeOf(view, index, start, end - start);
}

/** An axis of one element shown `count` times. Throws `ERR_QKNORM_SHAPE` for another axis, or a count that is no size. */
export function expandedView(view: View, axis: number, count: number): CheckedView {
  const index = axisOf(view, axis);
  if (view.shape[index] !== 1 || !Number.isSafeInteger(count) || count < 0) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `axis ${axis} of ${formatShape(view.shape)} cannot be shown ${shown(count)} times`,
    );
  }
  const shape = replaced(view.shape, index, count);
  return checkView(shape, { strides: replaced(view.strides, index, 0), offset: view.offset });
}

/** Consecutive slices of these sizes. Throws `ERR_QKNORM_SHAPE` unless they add up to the axis. */
export function splitViews(view: View, axis: number, sizes: readonly number[]): CheckedView[] {
  const parts = readDims(sizes, "sizes");
  const index = axisOf(view, axis);
  if (parts.reduce((sum, size) => sum + size, 0) !== view.shape[index]) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `sizes ${formatShape(parts)} do not add up to axis ${axis} of ${formatShape(view.shape)}`,
    );
  }
  let start = 0;
  return parts.map((size) => {
    start += size;
    return rangeOf(view, index, start - size, size);
  });
}

/** Two axes exchanged. */
export function transposedView(view: View, a: number, b: number): CheckedView {
  const [i, j] = [axisOf(view, a), axisOf(view, b)];
  const swap = (dims: readonly number[]): readonly number[] =>
    replaced(replaced(dims, i, dims[j] as number), j, dims[i] as number);
  return new CheckedView(swap(view.shape), swap(view.strides), view.offset);
}

/** The index of an axis; negative ones count from the end. Throws `ERR_QKNORM_SHAPE` where there is none. */
export function axisOf({ shape }: View, axis: number): number {
  const rank = shape.length;
  if (!Number.isSafeInteger(axis) || axis < -rank || axis >= rank) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${formatShape(shape)} has no axis ${shown(axis)}`);
  }
  return axis < 0 ? axis + rank : axis;
}

function rangeOf({ shape, strides, offset }: View, axis: number, start: number, count: number): CheckedView {
  const range = replaced(shape, axis, count);
  const from = sizeOf(range) === 0 ? 0 : start * (strides[axis] as number);
  return new CheckedView(range, strides, offset + from);
}
