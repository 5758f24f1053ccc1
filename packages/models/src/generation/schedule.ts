import type { CachedSequence, PagedKvCache, SequenceTokens } from "../layers/paged-kv-cache.ts";
import type { GrowingText } from "./growing-text.ts";
import type { TokenQueue } from "./token-queue.ts";

/** A text in a batch. */
export interface BatchedText {
  readonly text: GrowingText;
  readonly tokens: TokenQueue;
  /** Ends it: it gives its pages back, and its reader hears that no more comes. Twice is allowed. */
  readonly leave: () => void;
}

/** A text that takes part in a step. */
export interface Scheduled extends SequenceTokens {
  readonly batched: BatchedText;
  /** Whether these are all of its ids, so that the logits of the last one are wanted. */
  readonly complete: boolean;
}

interface Running {
  readonly batched: BatchedText;
  readonly sequence: CachedSequence;
}

export interface ScheduleLimits {
  /** The most texts of a step. */
  readonly sequences: number;
  /** The most tokens of a step; longer prompts are taken in pieces. */
  readonly tokens: number;
}

/**
 * Which texts take part in the next step, and with how many tokens. First come, first served: a text waits until there are
 * pages for all that it has, and where a page is missing for the next token of an older one, the youngest that runs goes
 * back to the front of those who wait, to be computed again. So the oldest always comes to its end.
 */
export class Schedule {
  /** How many times a text had to give its pages back before its end. */
  preemptions = 0;
  readonly #cache: PagedKvCache;
  readonly #limits: ScheduleLimits;
  readonly #waiting: BatchedText[] = [];
  /** In the order in which they came. */
  readonly #running: Running[] = [];

  constructor(cache: PagedKvCache, limits: ScheduleLimits) {
    this.#cache = cache;
    this.#limits = limits;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get running(): number {
    return this.#running.length;
  }

  add(batched: BatchedText): void {
    this.#waiting.push(batched);
  }

  /** A text has ended, or nobody wants it any more: its pages are free. */
  remove(batched: BatchedText): void {
    const waits = this.#waiting.indexOf(batched);
    if (waits >= 0) this.#waiting.splice(waits, 1);
    const runs = this.#running.findIndex((one) => one.batched === batched);
    if (runs >= 0) this.#release(this.#running.splice(runs, 1)[0] as Running);
  }

  /** All that are here. */
  get all(): BatchedText[] {
    return [...this.#running.map(({ batched }) => batched), ...this.#waiting];
  }

  /** The next step; empty when nothing is to be done. A text that could not go on alone has failed. */
  next(): Scheduled[] {
    this.#makeRoom();
    this.#admit();
    const step: Scheduled[] = [];
    let left = this.#limits.tokens;
    // Those that want one token more go first: a long prompt must not keep them waiting.
    for (const one of [...this.#running].sort((a, b) => pendingOf(a) - pendingOf(b))) {
      const count = Math.min(pendingOf(one), left);
      if (count === 0) continue;
      const { batched, sequence } = one;
      const { ids } = batched.text;
      const complete = sequence.length + count === ids.length;
      step.push({ batched, sequence, ids: ids.slice(sequence.length, sequence.length + count), complete });
      left -= count;
    }
    return step;
  }

  /**
   * The step after one of `texts` that was not read yet, with a token of each that may go on and whose id nobody knows here.
   * Empty where what was read may change who takes part: others wait and have room, or room is missing for these.
   */
  following(texts: readonly Scheduled[]): Scheduled[] {
    const { pool } = this.#cache;
    const took = new Map(texts.map((one) => [one.sequence, one]));
    const others = this.#running.some(({ sequence }) => !took.has(sequence));
    if (others || this.#mayAdmit()) return [];
    const going = this.#running.filter(({ batched }) => batched.text.goesOnAfter(1));
    const missing = going.map(({ sequence }) => pool.pagesFor(sequence.length + 1) - sequence.pages.length);
    if (missing.reduce((sum, pages) => sum + pages, 0) > pool.free) return [];
    return going.map(({ batched, sequence }) => ({ batched, sequence, ids: [0], complete: true }));
  }

  /** Pages for the next token of each that runs, the oldest first. */
  #makeRoom(): void {
    for (const one of [...this.#running]) {
      while (this.#running.includes(one) && !this.#reserve(one))
        this.#preempt(this.#running.at(-1) as Running);
    }
  }

  #reserve({ batched, sequence }: Running): boolean {
    const { pool } = this.#cache;
    const missing = pool.pagesFor(batched.text.ids.length) - sequence.pages.length;
    // Alone and full: the cache says so, and waiting would not help.
    if (missing > pool.free && this.#running.length > 1) return false;
    try {
      this.#cache.reserve(sequence, batched.text.ids.length - sequence.length);
    } catch (error) {
      batched.tokens.fail(error);
      batched.leave();
    }
    return true;
  }

  #preempt(one: Running): void {
    this.#running.splice(this.#running.indexOf(one), 1);
    this.#release(one);
    this.#waiting.unshift(one.batched);
    this.preemptions += 1;
  }

  #mayAdmit(): boolean {
    const { pool } = this.#cache;
    const [batched] = this.#waiting;
    if (batched === undefined || this.#running.length >= this.#limits.sequences) return false;
    // A page for each that runs is left to grow into, or who comes now would be sent away at once.
    const room = pool.free - this.#running.length;
    return this.#running.length === 0 || pool.pagesFor(batched.text.ids.length) <= room;
  }

  #admit(): void {
    while (this.#mayAdmit()) {
      const batched = this.#waiting.shift() as BatchedText;
      const sequence = this.#cache.join();
      const one = { batched, sequence };
      this.#running.push(one);
      this.#reserve(one);
    }
  }

  #release({ sequence }: Running): void {
    this.#cache.leave(sequence);
  }
}

/** Ids whose keys are not in the cache. */
function pendingOf({ batched, sequence }: Running): number {
  return batched.text.ids.length - sequence.length;
}
