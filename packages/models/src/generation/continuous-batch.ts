import { QkNormError } from "@qknorm/core";
import { convert, type HostArray, tidy } from "@qknorm/tensor";
import { shown } from "../checkpoint/shown-value.ts";
import type { CausalLm, PagedCacheSize } from "../families/causal-lm.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step } from "../layers/step.ts";
import { assertBatchOptions, assertModel } from "./call.ts";
import { type ChosenTokens, DecodeGraphs } from "./decode-graphs.ts";
import { GrowingText, type TextOptions } from "./growing-text.ts";
import { type BatchedText, Schedule, type Scheduled } from "./schedule.ts";
import { TokenQueue } from "./token-queue.ts";
import { turn } from "./turn.ts";

export interface ContinuousBatchOptions {
  /** Memory for keys and values, taken at once: what bounds how much runs at a time. */
  readonly cache: PagedCacheSize;
  /** The most texts that one step goes on with; default 64. Others wait. */
  readonly maxSequences?: number;
  /** The most tokens of a step, at least `maxSequences`; default 512. Longer prompts are taken in pieces, beside others' decoding. */
  readonly maxStepTokens?: number;
}

/** A text of a decode step, and its row of the graph. */
interface PlacedText extends Scheduled {
  readonly row: number;
}

interface QueuedStep {
  readonly texts: readonly PlacedText[];
  readonly chosen: ChosenTokens;
}

/**
 * Continues many texts at once, of any lengths, which come and go at every step:
 *
 *     using batch = new ContinuousBatch(model, { cache: { bytes: 2 ** 30 } });
 *     for await (const id of batch.generate(prompt, { stopIds })) ...
 *
 * Each gets the tokens that `generate` alone would give it, as far as sums of another order of additions choose the same.
 * Keys and values lie in pages of one cache; who finds no room waits. The same on every device.
 */
export class ContinuousBatch {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #schedule: Schedule;
  readonly #graphs: DecodeGraphs | null;
  #disposed = false;
  #working = false;

  /**
   * @throws ERR_GENERATION for a model whose layers carry a state, a cache without room for one page, and limits that are
   *   no integers from 1; ERR_CUDA without the memory
   */
  constructor(model: CausalLm, options: ContinuousBatchOptions) {
    assertModel(model);
    assertBatchOptions(options);
    const { cache, maxSequences = 64, maxStepTokens = 512 } = options;
    requireCount("maxSequences", maxSequences, 1);
    requireCount("maxStepTokens", maxStepTokens, maxSequences);
    this.#model = model;
    this.#cache = model.newPagedCache(cache);
    try {
      this.#graphs = DecodeGraphs.on(this.#cache.device, model, this.#cache, maxSequences);
    } catch (error) {
      this.#cache.dispose();
      throw error;
    }
    this.#schedule = new Schedule(this.#cache, { sequences: maxSequences, tokens: maxStepTokens });
  }

  /**
   * Continues a prompt among the others, from now on, whether or not its tokens are read. Ends as `generate` does, or when
   * the reader stops.
   *
   * Throws `ERR_GENERATION` before any work as `generate` does, for a prompt that the whole cache has no room for, and
   * once disposed. The iterator rejects with `ERR_GENERATION` when the text alone has filled the cache, and with what a
   * step threw.
   */
  generate(prompt: readonly number[], options: TextOptions = {}): AsyncGenerator<number, void, undefined> {
    if (this.#disposed) throw new QkNormError("ERR_GENERATION", "this batch was disposed");
    const { pool, maxPositions } = this.#cache;
    const text = new GrowingText({ maxPositions, vocabSize: this.#model.vocabSize }, prompt, options);
    if (pool.pagesFor(prompt.length) > pool.pages) {
      throw new QkNormError(
        "ERR_GENERATION",
        `the prompt has ${prompt.length} tokens and the cache room for ${pool.pages * pool.pageSize}: give it more memory`,
      );
    }
    const { signal } = options;
    const leave = (): void => {
      signal?.removeEventListener("abort", leave);
      this.#schedule.remove(batched);
      tokens.finish();
    };
    const tokens = new TokenQueue(leave);
    const batched: BatchedText = { text, tokens, leave };
    if (!text.goesOn) {
      tokens.finish();
      return tokens;
    }
    signal?.addEventListener("abort", leave);
    this.#schedule.add(batched);
    if (!this.#working) void this.#work();
    return tokens;
  }

  /** Texts that take part in steps. */
  get running(): number {
    return this.#schedule.running;
  }

  /** Texts that have no room yet, or no more. */
  get waiting(): number {
    return this.#schedule.waiting;
  }

  /** How many times a text gave its pages back to an older one, to be computed again later. */
  get preemptions(): number {
    return this.#schedule.preemptions;
  }

  /** Pages of the cache, and how many of them nobody has. */
  get pages(): { readonly all: number; readonly free: number } {
    const { pages, free } = this.#cache.pool;
    return { all: pages, free };
  }

  /** Ends every text with `ERR_GENERATION` and frees the cache. Twice is allowed. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const batched of this.#schedule.all) {
      batched.tokens.fail(new QkNormError("ERR_GENERATION", "the batch was disposed before the text ended"));
      batched.leave();
    }
    this.#graphs?.dispose();
    this.#cache.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Steps until nothing is left to do. Texts that come in one turn of the event loop begin together. */
  async #work(): Promise<void> {
    this.#working = true;
    try {
      for (await turn(); !this.#disposed; await turn()) {
        const step = this.#schedule.next();
        if (step.length === 0) return;
        await this.#step(step);
      }
    } finally {
      this.#working = false;
    }
  }

  async #step(step: readonly Scheduled[]): Promise<void> {
    try {
      const decodes = step.every(({ ids, batched }) => ids.length === 1 && batched.text.draw !== null);
      if (decodes && this.#graphs !== null) return await this.#decode(step, this.#graphs);
      const choose = await this.#choices(step);
      for (const [i, { batched, complete }] of step.entries()) {
        if (complete && !batched.tokens.ended) this.#grow(batched, () => choose(i));
      }
    } catch (error) {
      // What a pass leaves behind that failed in the middle, nobody knows.
      for (const { batched } of step) end(batched, error);
    }
  }

  /**
   * Decodes as long as the same texts go on: each step is queued before the one in front of it is read, so that the device does
   * not wait. What it then computes for a text that has ended, nobody reads.
   */
  async #decode(step: readonly Scheduled[], graphs: DecodeGraphs): Promise<void> {
    const { rows, chosen } = graphs.choose(this.#cache.step(step), step.map(textOf));
    let queued: QueuedStep | null = {
      texts: step.map((one, i) => ({ ...one, row: rows[i] as number })),
      chosen,
    };
    while (queued !== null && !this.#disposed) {
      const { texts, chosen }: QueuedStep = queued;
      queued = this.#follow(texts, graphs);
      const tokens = chosen.readNow();
      for (const { batched, row } of texts) {
        if (!batched.tokens.ended) this.#grow(batched, () => batched.text.accept(tokens[row] as number));
      }
      await turn();
    }
  }

  /** Queues the step after one that was not read yet; null where it has to be read first. */
  #follow(texts: readonly PlacedText[], graphs: DecodeGraphs): QueuedStep | null {
    const next = this.#schedule.following(texts);
    if (next.length === 0) return null;
    const rows = new Map(texts.map(({ sequence, row }) => [sequence, row]));
    const placed = next.map((one) => ({ ...one, row: rows.get(one.sequence) as number }));
    const step = { step: this.#cache.step(next), rows: placed.map(({ row }) => row) };
    const chosen = graphs.follow(step, placed.map(textOf));
    return chosen && { texts: placed, chosen };
  }

  #grow(batched: BatchedText, choose: () => number | null): void {
    try {
      const token = choose();
      if (token !== null) batched.tokens.push(token);
      if (token === null || !batched.text.goesOn) batched.leave();
    } catch (error) {
      end(batched, error);
    }
  }

  /** What each text goes on with; null at a stop id. */
  async #choices(texts: readonly Scheduled[]): Promise<(text: number) => number | null> {
    const step = this.#cache.step(texts);
    const graphs = step.ids.length === texts.length ? this.#graphs : null;
    const rows = await this.#logits(texts, step, graphs);
    return (i) => texts[i]!.batched.text.choose(rows[i]!);
  }

  /** f32 `[V]` of each text's last token. */
  async #logits(
    texts: readonly Scheduled[],
    step: Step,
    graphs: DecodeGraphs | null,
  ): Promise<Float32Array[]> {
    const own = graphs?.logits(step);
    const logits = tidy(() => convert(own ?? this.#model.forward(step), "f32"));
    try {
      return this.#rows(await logits.read(), texts);
    } finally {
      if (logits !== own) logits.dispose();
    }
  }

  #rows(logits: HostArray, texts: readonly Scheduled[]): Float32Array[] {
    const width = this.#model.vocabSize;
    return texts.map((_, row) => (logits as Float32Array).subarray(row * width, (row + 1) * width));
  }
}

function textOf({ batched }: Scheduled): GrowingText {
  return batched.text;
}

function end(batched: BatchedText, error: unknown): void {
  batched.tokens.fail(error);
  batched.leave();
}

function requireCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new QkNormError("ERR_GENERATION", `${name} must be an integer from ${least}, got ${shown(value)}`);
}
