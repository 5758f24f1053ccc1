import * as fc from "fast-check";
import { contiguousStrides, sizeOf } from "../src/strides.ts";
import { Tensor } from "../src/tensor.ts";

/** Every index of a shape, in row-major order. */
export function indices(shape: readonly number[]): number[][] {
  return shape.reduce<number[][]>(
    (all, dim) => all.flatMap((index) => Array.from({ length: dim }, (_, i) => [...index, i])),
    [[]],
  );
}

/** The memory address of every element, in row-major order: what a view is, written as the definition reads. */
export function addresses(x: Tensor): number[] {
  return indices(x.shape).map((index) =>
    index.reduce((address, i, axis) => address + i * (x.strides[axis] as number), x.offset),
  );
}

/** A tensor as `[index, value]` pairs under a mapping of its indices: the model of slice and transpose. */
export function pick(x: Tensor, shape: readonly number[], from: (index: number[]) => number[]): number[] {
  const all = addresses(x);
  const dense = contiguousStrides(x.shape);
  return indices(shape).map(
    (index) => all[from(index).reduce((sum, i, axis) => sum + i * (dense[axis] as number), 0)] as number,
  );
}

const dim = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constantFrom(1, 1, 0));

/** Shapes of rank 0 to 4 with axes of 0 to 4. */
export const shapes = fc.array(dim, { maxLength: 4 });

/**
 * Views whose element at address `a` holds the number `a`: axes in any order in memory, gaps between them, any offset.
 * All that slices and transposes of dense memory can be, and nothing that overlaps itself.
 */
export const views: fc.Arbitrary<Tensor> = shapes.chain((shape) =>
  fc
    .record({
      order: fc.shuffledSubarray([...shape.keys()], { minLength: shape.length }),
      gaps: fc.array(fc.constantFrom(0, 0, 0, 1, 2), { minLength: shape.length, maxLength: shape.length }),
      offset: fc.integer({ min: 0, max: 5 }),
    })
    .map(({ order, gaps, offset }) => {
      const strides = new Array<number>(shape.length).fill(1);
      let step = 1;
      for (const axis of order) {
        step += gaps[axis] as number;
        strides[axis] = step;
        step *= Math.max(1, shape[axis] as number);
      }
      const length = offset + step;
      const data = Int32Array.from({ length }, (_, i) => i);
      return new Tensor(data, "i32", shape, { strides, offset });
    }),
);

/** Shapes of exactly this many elements. */
export function shapesOf(size: number): fc.Arbitrary<number[]> {
  if (size === 0) return shapes.filter((shape) => sizeOf(shape) === 0);
  const divisors = Array.from({ length: size }, (_, i) => i + 1).filter((d) => size % d === 0);
  return fc.array(fc.constantFrom(...divisors), { maxLength: 4 }).map((dims) => {
    const shape: number[] = [];
    let rest = size;
    for (const d of dims) {
      if (rest % d !== 0) continue;
      shape.push(d);
      rest /= d;
    }
    return rest === 1 && shape.length > 0 ? shape : [...shape, rest];
  });
}
