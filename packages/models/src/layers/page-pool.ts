import { QkNormError } from "@qknorm/core";
import type { CacheDtype } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import { bytesOfSlot } from "./layer-cache.ts";
import type { KvHeads } from "./step.ts";

/** Which pages of a cache are free. One page more than can be taken is there for rows that nobody reads. */
export class PagePool {
  /** Of each page, in tokens. */
  readonly pageSize: number;
  readonly pages: number;
  readonly #free: number[];

  /** @throws ERR_GENERATION unless both are integers from 1, and for more slots than an index can tell */
  constructor(pages: number, pageSize: number) {
    for (const [name, value] of Object.entries({ pages, pageSize })) {
      if (Number.isSafeInteger(value) && value > 0) continue;
      throw new QkNormError("ERR_GENERATION", `${name} must be an integer from 1, got ${shown(value)}`);
    }
    if ((pages + 1) * pageSize > 2 ** 31) {
      throw new QkNormError(
        "ERR_GENERATION",
        `${pages} pages of ${pageSize} tokens are too many: their slots must be below 2^31`,
      );
    }
    this.pages = pages;
    this.pageSize = pageSize;
    this.#free = Array.from({ length: pages }, (_, page) => pages - 1 - page);
  }

  /** The page for rows of padding: it is never taken. */
  get scratch(): number {
    return this.pages;
  }

  get free(): number {
    return this.#free.length;
  }

  /** Rows of the memory, those of the scratch page included. */
  get slots(): number {
    return (this.pages + 1) * this.pageSize;
  }

  /** Pages that so many tokens fill. */
  pagesFor(tokens: number): number {
    return Math.ceil(tokens / this.pageSize);
  }

  /** @throws ERR_GENERATION, with nothing taken, when fewer are free */
  take(count: number): number[] {
    if (count > this.#free.length) {
      const { pages, pageSize } = this;
      throw new QkNormError(
        "ERR_GENERATION",
        `the cache is full: ${count} pages of ${pageSize} tokens are needed, and ${this.#free.length} of ${pages} are free; wait for a sequence to end, or give the cache more memory`,
      );
    }
    return this.#free.splice(this.#free.length - count, count).reverse();
  }

  give(pages: readonly number[]): void {
    for (const page of [...pages].reverse()) this.#free.push(page);
  }
}

/**
 * How many pages, with the one for padding, fit in so many bytes.
 *
 * @throws ERR_GENERATION when not one does, and for what are no numbers
 */
export function pagesWithin(
  bytes: number,
  pageSize: number,
  layers: readonly (KvHeads | null)[],
  dtype: CacheDtype,
): number {
  for (const [name, value] of Object.entries({ bytes, pageSize })) {
    if (typeof value === "number") continue;
    throw new QkNormError("ERR_GENERATION", `${name} must be a number, got ${shown(value)}`);
  }
  const ofSlot = layers.reduce((sum, heads) => sum + (heads === null ? 0 : bytesOfSlot(dtype, heads)), 0);
  const ofPage = ofSlot * pageSize;
  const pages = Math.floor(bytes / ofPage) - 1;
  if (pages >= 1) return pages;
  throw new QkNormError(
    "ERR_GENERATION",
    `${bytes} bytes are too few for a cache: a page of ${pageSize} tokens takes ${ofPage}, and two are needed`,
  );
}
