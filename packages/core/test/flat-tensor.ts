/** The plainest tensor that fits: numbers, a shape property and a reshape. */
export class FlatTensor {
  readonly data: Float64Array;
  readonly shape: readonly number[];

  constructor(data: Iterable<number>, shape: readonly number[]) {
    this.data = Float64Array.from(data);
    this.shape = [...shape];
    if (this.data.length !== shape.reduce((a, b) => a * b, 1)) throw new Error(`wrong size for [${shape}]`);
  }

  reshape(shape: number[]): FlatTensor {
    return new FlatTensor(this.data, shape);
  }
}

/** Values that repeat for the same seed, in [-2, 2). */
export function values(count: number, seed: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 30 - 2;
  });
}

/** A tensor of repeatable values. */
export function flat(shape: readonly number[], seed = 1): FlatTensor {
  return new FlatTensor(
    values(
      shape.reduce((a, b) => a * b, 1),
      seed,
    ),
    shape,
  );
}
