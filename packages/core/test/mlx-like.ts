/**
 * An array library in MLX's manner: the shape is behind a method, operations are functions that leave their arguments
 * alone, broadcasting goes from the right.
 */
export class MlxArray {
  readonly #data: readonly number[];
  readonly #shape: readonly number[];

  constructor(data: Iterable<number>, shape: readonly number[]) {
    this.#data = [...data];
    this.#shape = [...shape];
    if (this.#data.length !== size(shape)) throw new Error(`[reshape] cannot view as [${shape}]`);
  }

  shape(): number[] {
    return [...this.#shape];
  }

  reshape(shape: number[]): MlxArray {
    return new MlxArray(this.#data, shape);
  }

  tolist(): number[] {
    return [...this.#data];
  }
}

export const mx = {
  square: (x: MlxArray): MlxArray =>
    new MlxArray(
      x.tolist().map((v) => v * v),
      x.shape(),
    ),
  rsqrt: (x: MlxArray): MlxArray =>
    new MlxArray(
      x.tolist().map((v) => 1 / Math.sqrt(v)),
      x.shape(),
    ),
  addScalar: (x: MlxArray, by: number): MlxArray =>
    new MlxArray(
      x.tolist().map((v) => v + by),
      x.shape(),
    ),
  subtract: (a: MlxArray, b: MlxArray): MlxArray => elementwise(a, b, (x, y) => x - y),
  multiply: (a: MlxArray, b: MlxArray): MlxArray => elementwise(a, b, (x, y) => x * y),
  /** Over the last axis, which stays with a length of one. */
  mean(x: MlxArray): MlxArray {
    const shape = x.shape();
    const length = shape.at(-1) as number;
    const data = x.tolist();
    const means = Array.from({ length: data.length / length }, (_, row) =>
      data.slice(row * length, (row + 1) * length).reduce((sum, v) => sum + v / length, 0),
    );
    return new MlxArray(means, [...shape.slice(0, -1), 1]);
  },
};

function elementwise(a: MlxArray, b: MlxArray, op: (x: number, y: number) => number): MlxArray {
  const shape = a.shape();
  const [x, y, right] = [a.tolist(), b.tolist(), b.shape()];
  const padded = [...Array<number>(shape.length - right.length).fill(1), ...right];
  if (padded.some((dim, i) => dim !== 1 && dim !== shape[i])) throw new Error(`cannot broadcast [${right}]`);
  return new MlxArray(
    x.map((value, flat) => {
      let at = 0;
      let stride = 1;
      for (let axis = shape.length - 1, rest = flat; axis >= 0; axis--) {
        const dim = shape[axis] as number;
        if (padded[axis] !== 1) at += (rest % dim) * stride;
        stride *= padded[axis] as number;
        rest = Math.floor(rest / dim);
      }
      return op(value, y[at] as number);
    }),
    shape,
  );
}

function size(shape: readonly number[]): number {
  return shape.reduce((a, b) => a * b, 1);
}
