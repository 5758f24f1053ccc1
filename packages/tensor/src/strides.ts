import { QkNormError } from "@qknorm/core";

/** Where the elements of a view lie in its memory, in elements. */
export interface View {
  readonly shape: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

// The rank that core can read.
const maxRank = 64;

/**
 * A list of integers >= 0, read once and copied, so that proxies and later writes cannot change it.
 * Throws `ERR_QKNORM_SHAPE` for anything else, sparse arrays included; `what` names the list in the message.
 */
export function readDims(value: unknown, what: string): number[] {
  if (!Array.isArray(value)) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${what} must be an array of integers >= 0, got ${shown(value)}`,
    );
  }
  const dims: number[] = [];
  for (let i = 0, { length } = value; i < length; i++) {
    const dim: unknown = value[i];
    if (!Number.isSafeInteger(dim) || (dim as number) < 0) {
      throw new QkNormError("ERR_QKNORM_SHAPE", `${what} must be integers >= 0, got ${shown(dim)} at ${i}`);
    }
    dims.push(dim as number);
  }
  return dims;
}

/**
 * `readDims` for a shape or its strides: at most 64 dimensions. A shape must also count fewer than 2^53 elements, zeros
 * left out of the count, so that no stride of it is inexact.
 */
export function readShape(value: unknown, what: "shape" | "strides"): number[] {
  if (Array.isArray(value) && value.length > maxRank) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${what} has ${value.length} dimensions; at most ${maxRank} are possible`,
    );
  }
  const dims = readDims(value, what);
  const extent = dims.reduce((product, dim) => product * Math.max(dim, 1), 1);
  if (what === "shape" && !Number.isSafeInteger(extent)) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `shape [${dims.join(", ")}] counts more than 2^53 elements`);
  }
  return dims;
}

/** A value of the wrong type for a message: numbers as they are, the rest by type. Never runs code of the value. */
export function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : value === null ? "null" : typeof value;
}

/** A frozen copy with another value at one axis. `with` and `slice` take several times as long, on frozen arrays most. */
export function replaced(dims: readonly number[], axis: number, value: number): readonly number[] {
  const copy = new Array<number>(dims.length);
  for (let i = 0; i < dims.length; i++) copy[i] = i === axis ? value : (dims[i] as number);
  return Object.freeze(copy);
}

/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  let size = 1;
  for (let axis = 0; axis < shape.length; axis++) size *= shape[axis] as number;
  return size;
}

/** Index in memory of the last element that a view reaches. Meaningless for an empty view. */
export function lastElement({ shape, strides, offset }: View): number {
  let last = offset;
  for (let axis = 0; axis < shape.length; axis++) {
    last += ((shape[axis] as number) - 1) * (strides[axis] as number);
  }
  return last;
}

/** Row-major strides, in elements. */
export function contiguousStrides(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = step;
    step *= shape[axis] as number;
  }
  return strides;
}

/** Whether elements lie in row-major order without gaps. Axes of length 1 may have any stride. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  return sizeOf(shape) === 0 || denseFrom(shape, strides) === 0;
}

/** The first axis from which on elements lie in row-major order without gaps; the rank when even the last has gaps. */
export function denseFrom(shape: readonly number[], strides: readonly number[]): number {
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== step) return axis + 1;
    step *= shape[axis] as number;
  }
  return 0;
}

/** Whether the last axis lies dense, as kernels need it. */
export function lastAxisIsDense({ shape, strides }: View): boolean {
  const last = shape.length - 1;
  return last < 0 || shape[last] === 1 || strides[last] === 1 || sizeOf(shape) === 0;
}

/**
 * Strides that show the same elements under another shape of the same size, or `null` when that takes a copy.
 *
 * Axes of both shapes are matched in groups of equal size; a group can be regrouped when its own axes are dense among
 * themselves, whatever gap lies around the group.
 */
export function reshapeStrides(
  shape: readonly number[],
  strides: readonly number[],
  next: readonly number[],
): number[] | null {
  if (sizeOf(shape) === 0) return contiguousStrides(next);
  const result = new Array<number>(next.length).fill(1);
  let read = firstLong(shape, 0);
  let write = 0;
  while (read < shape.length) {
    let from = shape[read] as number;
    let step = strides[read] as number; // of the innermost axis of the group
    let to = 1;
    const firstWrite = write;
    while (write < next.length && to < from) to *= next[write++] as number;
    while (to !== from) {
      if (to < from) {
        to *= next[write++] as number;
        continue;
      }
      read = firstLong(shape, read + 1);
      const dim = shape[read] as number;
      const inner = strides[read] as number;
      if (step !== inner * dim) return null;
      step = inner;
      from *= dim;
    }
    for (let axis = write - 1; axis >= firstWrite; axis--) {
      result[axis] = step;
      step *= next[axis] as number;
    }
    read = firstLong(shape, read + 1);
  }
  return result;
}

/** The first axis from one on that has more than one element, and so a stride that counts. */
function firstLong(shape: readonly number[], from: number): number {
  let axis = from;
  while (axis < shape.length && shape[axis] === 1) axis++;
  return axis;
}
