/** Number of elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
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
  if (sizeOf(shape) === 0) return true;
  const dense = contiguousStrides(shape);
  return shape.every((dim, axis) => dim === 1 || strides[axis] === dense[axis]);
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
  const axes = shape.flatMap((dim, axis) => (dim === 1 ? [] : [{ dim, stride: strides[axis] as number }]));
  const result = new Array<number>(next.length).fill(1);
  let read = 0;
  let write = 0;
  while (read < axes.length) {
    let from = (axes[read] as { dim: number }).dim;
    let to = 1;
    const firstWrite = write;
    const firstRead = read;
    read++;
    while (write < next.length && to < from) to *= next[write++] as number;
    while (to !== from) {
      if (to < from) to *= next[write++] as number;
      else from *= (axes[read++] as { dim: number }).dim;
    }
    for (let axis = firstRead; axis < read - 1; axis++) {
      const outer = axes[axis] as { stride: number };
      const inner = axes[axis + 1] as { dim: number; stride: number };
      if (outer.stride !== inner.stride * inner.dim) return null;
    }
    let step = (axes[read - 1] as { stride: number }).stride;
    for (let axis = write - 1; axis >= firstWrite; axis--) {
      result[axis] = step;
      step *= next[axis] as number;
    }
  }
  return result;
}
