import { backendOf, type Device, DeviceMark, keep, Tensor } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step, StepBatch } from "../layers/step.ts";
import { type Bucket, DecodeBucket, type PlacedStep } from "./decode-bucket.ts";
import type { GrowingText } from "./growing-text.ts";
import { type Choice, choiceOf, RowDraws } from "./row-draws.ts";

const FEWEST_PAGES = 32;

/**
 * Decode steps as captured graphs, one for each way to choose tokens and each power of two of sequences and of pages. The same
 * logits as a pass by calls, bit for bit. A step may follow another one before that was read: its ids are on the device.
 */
export class DecodeGraphs {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #device: Device;
  readonly #mark: DeviceMark;
  /** i32 `[B]` of the largest bucket: what the last step chose, row by row. */
  readonly #ids: Tensor;
  readonly #draws: RowDraws;
  readonly #buckets = new Map<string, DecodeBucket>();
  #turn = 0;

  /** For steps of so many sequences at most. Null for a device that captures nothing, or runs at once. */
  static on(
    device: Device | undefined,
    model: CausalLm,
    cache: PagedKvCache,
    maxSequences: number,
  ): DecodeGraphs | null {
    if (device === undefined || backendOf(device).capture === null) return null;
    const mark = DeviceMark.on(device);
    return mark && new DecodeGraphs(device, model, cache, maxSequences, mark);
  }

  private constructor(
    device: Device,
    model: CausalLm,
    cache: PagedKvCache,
    maxSequences: number,
    mark: DeviceMark,
  ) {
    this.#device = device;
    this.#model = model;
    this.#cache = cache;
    this.#mark = mark;
    const rows = powerOfTwo(maxSequences);
    this.#ids = keep(Tensor.zeros([rows], "i32", device));
    this.#draws = new RowDraws(device, rows, model.vocabSize);
  }

  /**
   * `[B, V]` in the model's dtype, of B sequences or more: logits of a step of one token each. The next step overwrites
   * them.
   */
  logits(step: Step): Tensor {
    const rows = Array.from({ length: sequencesOf(step) }, (_, row) => row);
    return this.#run({ step, rows }, "likeliest").logits;
  }

  /** Queues a step of one token of each of these texts, and what each goes on with; and tells the row that each has. */
  choose(
    step: Step,
    texts: readonly GrowingText[],
  ): { readonly rows: readonly number[]; readonly chosen: ChosenTokens } {
    const rows = this.#draws.rowsFor(texts);
    const choice = this.#draws.place(texts, rows);
    const { bucket, turn } = this.#run({ step, rows }, choice);
    if (choice === "penalized") this.#draws.drew(rows);
    this.#mark.set();
    return { rows, chosen: new ChosenTokens(bucket.chosen, turn, this.#mark) };
  }

  /**
   * As `choose`, right after a step of these texts, and perhaps others, whose tokens were not read: each goes on with what its
   * row chose there, whatever ids the step says. Null, with nothing done, where there is no graph of its kind and size yet.
   */
  follow(placed: PlacedStep, texts: readonly GrowingText[]): ChosenTokens | null {
    const choice = choiceOf(texts);
    const bucket = this.#buckets.get(keyOf(bucketOf(placed, choice)));
    if (bucket === undefined) return null;
    this.#turn = 1 - this.#turn;
    bucket.follow(placed, this.#turn);
    if (choice === "penalized") this.#draws.drew(placed.rows);
    this.#cache.advance(placed.step);
    return new ChosenTokens(bucket.chosen, this.#turn, this.#mark);
  }

  dispose(): void {
    for (const bucket of this.#buckets.values()) bucket.dispose();
    this.#buckets.clear();
    this.#draws.dispose();
    this.#ids.dispose();
    this.#mark.dispose();
  }

  #run(
    placed: PlacedStep,
    choice: Choice,
  ): { readonly bucket: DecodeBucket; readonly logits: Tensor; readonly turn: number } {
    const size = bucketOf(placed, choice);
    const key = keyOf(size);
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      const shared = { ids: this.#ids, draws: this.#draws };
      bucket = new DecodeBucket(this.#device, this.#model, this.#cache, size, shared);
      this.#buckets.set(key, bucket);
    }
    const turn = 1 - this.#turn;
    this.#turn = turn;
    const logits = bucket.run(placed, turn);
    this.#cache.advance(placed.step);
    return { bucket, logits, turn };
  }
}

/** What a queued step chooses. At most one step is queued behind it before it is read. */
export class ChosenTokens {
  readonly #chosen: Tensor;
  readonly #turn: number;
  readonly #mark: DeviceMark;

  constructor(chosen: Tensor, turn: number, mark: DeviceMark) {
    this.#chosen = chosen;
    this.#turn = turn;
    this.#mark = mark;
  }

  /** Waits for the step alone. The token of each of the graph's rows, -1 where no logit is a finite largest. */
  readNow(): Int32Array {
    const both = this.#mark.readNow(this.#chosen);
    // Of what is queued behind, if anything is.
    this.#mark.set();
    return Int32Array.from({ length: both.length / 2 }, (_, row) => both[2 * row + this.#turn] as number);
  }
}

function bucketOf({ step, rows }: PlacedStep, choice: Choice): Bucket {
  const { pages } = step.batch as StepBatch;
  return {
    choice,
    sequences: powerOfTwo(Math.max(...rows) + 1),
    pages: Math.max(FEWEST_PAGES, powerOfTwo(pages.length / sequencesOf(step))),
  };
}

function keyOf({ choice, sequences, pages }: Bucket): string {
  return `${choice} ${sequences} ${pages}`;
}

function sequencesOf(step: Step): number {
  return (step.batch as StepBatch).lengths.length;
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
