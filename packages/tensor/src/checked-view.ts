import { formatShape, QkNormError } from "@qknorm/core";
import { contiguousStrides, readDims, readShape, shown, sizeOf, type View } from "./strides.ts";

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
