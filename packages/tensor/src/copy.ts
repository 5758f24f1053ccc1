import { formatShape, QkNormError } from "@qknorm/core";
import type { HostArray } from "./dtype.ts";
import { denseFrom, sizeOf, type View } from "./strides.ts";

// Each run is a copy of its own, some microseconds of host time: past this many, the layout is the mistake.
const mostRuns = 65_536;

/** A view in V8 memory. */
export interface HostView extends View {
  readonly data: HostArray;
}

/**
 * Copies the elements of a view into another one of the same shape and dtype: run by run where both lie dense, else
 * element by element. The views must not overlap, unless both are dense throughout.
 */
export function copyElements(source: HostView, target: HostView): void {
  const [from, to] = [source.data, target.data];
  eachRun(source, target, (read, write, count) => {
    if (count === 1) to[write] = from[read] as number;
    else to.set(from.subarray(read, read + count), write);
  });
}

/** Calls `copy` for each run of elements that lies dense in both views, in row-major order. */
export function eachRun(
  source: View,
  target: View,
  copy: (read: number, write: number, count: number) => void,
): void {
  const { shape } = target;
  if (sizeOf(shape) === 0) return;
  const outer = firstDenseAxis(source, target);
  const count = sizeOf(shape.slice(outer));
  const walk = (axis: number, read: number, write: number): void => {
    if (axis === outer) {
      copy(read, write, count);
      return;
    }
    const [readStep, writeStep] = [source.strides[axis] as number, target.strides[axis] as number];
    for (let i = 0; i < (shape[axis] as number); i++) {
      walk(axis + 1, read + i * readStep, write + i * writeStep);
    }
  };
  walk(0, source.offset, target.offset);
}

/** How often `eachRun` would call. */
export function countRuns(source: View, target: View): number {
  return sizeOf(target.shape.slice(0, firstDenseAxis(source, target)));
}

/** Throws `ERR_QKNORM_LAYOUT` when a device would be asked for too many copies, one for each run. */
export function assertFewRuns(source: View, target: View, device: string): void {
  const runs = countRuns(source, target);
  if (runs <= mostRuns) return;
  throw new QkNormError(
    "ERR_QKNORM_LAYOUT",
    `${formatShape(target.shape)} from strides ${formatShape(source.strides)} to ${formatShape(target.strides)} on ${device} is ${runs} separate copies, and at most ${mostRuns} are made: go through the CPU, or keep the last axes dense`,
  );
}

function firstDenseAxis(source: View, target: View): number {
  return Math.max(denseFrom(target.shape, source.strides), denseFrom(target.shape, target.strides));
}
