import type { MemoryView } from "./memory.ts";
import { denseFrom, sizeOf } from "./strides.ts";

/**
 * Copies the elements of a view into another one of the same shape and dtype: run by run where both lie dense, else
 * element by element. The views must not overlap, unless both are dense throughout.
 */
export function copyElements(source: MemoryView, target: MemoryView): void {
  if (target.size === 0) return;
  const { shape } = target;
  const outer = Math.max(denseFrom(shape, source.strides), denseFrom(shape, target.strides));
  const run = sizeOf(shape.slice(outer));
  const copyAxis = (axis: number, from: number, to: number): void => {
    if (axis === outer) {
      if (run === 1) target.data[to] = source.data[from] as number;
      else target.data.set(source.data.subarray(from, from + run), to);
      return;
    }
    const [sourceStep, targetStep] = [source.strides[axis] as number, target.strides[axis] as number];
    for (let i = 0; i < (shape[axis] as number); i++) {
      copyAxis(axis + 1, from + i * sourceStep, to + i * targetStep);
    }
  };
  copyAxis(0, source.offset, target.offset);
}
