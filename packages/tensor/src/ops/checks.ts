import { formatShape, QkNormError } from "@qknorm/core";
import type { Dtype } from "../dtype.ts";
import { sizeOf } from "../strides.ts";
import { Tensor } from "../tensor.ts";

/** Throws `ERR_QKNORM_SHAPE` unless the condition holds; the shapes of the tensors are added to the message. */
export function requireShape(holds: boolean, what: string, tensors: Readonly<Record<string, Tensor>>): void {
  if (holds) return;
  const shapes = Object.entries(tensors).map(([name, tensor]) => `${name} ${formatShape(tensor.shape)}`);
  throw new QkNormError("ERR_QKNORM_SHAPE", `${what}: ${shapes.join(", ")}`);
}

/** Throws unless the value is a live tensor of one of the dtypes. */
export function requireTensor(
  value: unknown,
  name: string,
  dtypes: readonly Dtype[],
): asserts value is Tensor {
  if (!(value instanceof Tensor)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${name} must be a Tensor, got ${value === null ? "null" : typeof value}`,
    );
  }
  if (!dtypes.includes(value.dtype)) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `${name} must be ${dtypes.join(" or ")}, got ${value.dtype}`);
  }
  requireMemory(value, name);
}

/** Throws `ERR_QKNORM_LAYOUT` when the memory of a tensor was taken away (a transferred or resized buffer). */
export function requireMemory(tensor: Tensor, name: string): void {
  if (tensor.size > 0 && lastElement(tensor) >= tensor.data.length) {
    throw new QkNormError(
      "ERR_QKNORM_LAYOUT",
      `${name} ${formatShape(tensor.shape)} has lost its memory: its buffer was detached or shrunk`,
    );
  }
}

/** Index of the last element that a tensor reaches in its memory. */
export function lastElement(tensor: Tensor): number {
  return tensor.shape.reduce(
    (reach, dim, axis) => reach + (dim - 1) * (tensor.strides[axis] as number),
    tensor.offset,
  );
}

/** A tensor as `[rows, last]` with a dense last axis; copies only if strides do not allow it. */
export function asRows(x: Tensor): Tensor {
  const last = x.shape.at(-1) ?? 1;
  const rows = last === 0 ? 0 : x.size / last;
  const view = x.reshape([rows, last]);
  return last > 1 && view.strides[1] !== 1 ? view.toContiguous() : view;
}

/** A shape with another last dimension. */
export function withLast(shape: readonly number[], last: number): number[] {
  return [...shape.slice(0, -1), last];
}

/** Whether a view writes some element twice, as views with a zero or too short stride do. */
export function overlapsItself(x: Tensor): boolean {
  const axes = x.shape
    .map((dim, axis) => ({ dim, stride: x.strides[axis] as number }))
    .filter(({ dim }) => dim > 1)
    .sort((a, b) => a.stride - b.stride);
  let reach = 1;
  for (const { dim, stride } of axes) {
    if (stride < reach) return sizeOf(x.shape) > 0;
    reach = stride * (dim - 1) + reach;
  }
  return false;
}
