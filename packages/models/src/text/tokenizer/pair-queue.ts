/** Positions fit in so many values; a piece is a JavaScript string, which is shorter. */
const POSITIONS = 2 ** 30;

/** Pairs of neighbours by the rank of their merge, of equal ranks the leftmost first: a binary heap of numbers. */
export class PairQueue {
  readonly #heap: number[] = [];

  push(rank: number, position: number): void {
    const heap = this.#heap;
    const key = rank * POSITIONS + position;
    let at = heap.length;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent]! <= key) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = key;
  }

  /** The pair to merge next, taken out; null when there is none. */
  pop(): { readonly rank: number; readonly position: number } | null {
    const heap = this.#heap;
    const first = heap[0];
    if (first === undefined) return null;
    const last = heap.pop() as number;
    if (heap.length > 0) this.#sink(last);
    return { rank: Math.floor(first / POSITIONS), position: first % POSITIONS };
  }

  #sink(key: number): void {
    const heap = this.#heap;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1]! < heap[child]!) child += 1;
      if (heap[child]! >= key) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = key;
  }
}
