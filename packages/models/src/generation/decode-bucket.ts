import { type Device, freeOnFailure, Indices, keep, Tensor, together } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step, StepBatch } from "../layers/step.ts";
import { DecodeGraph } from "./decode-graph.ts";
import type { Choice, RowDraws } from "./row-draws.ts";

/** What a graph serves: steps that choose so and are not larger. */
export interface Bucket {
  readonly choice: Choice;
  /** Sequences, B. */
  readonly sequences: number;
  /** Pages of each, P. */
  readonly pages: number;
}

/** A decode step, and the graph's row of each of its sequences. */
export interface PlacedStep {
  readonly step: Step;
  readonly rows: readonly number[];
}

/** What the buckets of a batch have in common. */
export interface SharedRows {
  /** i32 `[B]` of the largest bucket: one goes on with what another one chose. */
  readonly ids: Tensor;
  readonly draws: RowDraws;
}

/**
 * Decode steps of one bucket as a captured graph: what changes from step to step is uploaded as one array, and the rest is
 * replayed. Rows that no sequence has write to the cache's spare page, and their logits are read by nobody.
 */
export class DecodeBucket {
  /** i32 `[B, 2]`: what each row chose, in the column of the step's turn; -1 where no logit is a finite largest. */
  readonly chosen: Tensor;
  readonly #device: Device;
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #bucket: Bucket;
  /** i32 `[B]`: what the step goes on with, and then what it chose. */
  readonly #ids: Tensor;
  /** On the device: positions, slots, lengths and turns `[B]` each, and pages `[B, P]`. */
  readonly #there: Tensor;
  /** The same on the host. */
  readonly #here: Int32Array;
  /** What does not change. */
  readonly #fixed: Tensor;
  readonly #graph: DecodeGraph;

  constructor(
    device: Device,
    model: CausalLm,
    cache: PagedKvCache,
    bucket: Bucket,
    { ids, draws }: SharedRows,
  ) {
    const { sequences, pages } = bucket;
    this.#device = device;
    this.#model = model;
    this.#cache = cache;
    this.#bucket = bucket;
    this.#ids = ids.slice(0, 0, sequences);
    this.#here = new Int32Array(sequences * (4 + pages));
    const rows = Array.from({ length: sequences + 1 }, (_, row) => row);
    const made = freeOnFailure(() => ({
      there: Tensor.empty([this.#here.length], "i32", device),
      fixed: new Tensor(Int32Array.from(rows), "i32", [rows.length]).to(device),
      chosen: Tensor.zeros([sequences, 2], "i32", device),
    }));
    ({ there: this.#there, fixed: this.#fixed, chosen: this.chosen } = keep(made));
    const step = this.#stepOnDevice();
    const [positions, turns] = [0, 3].map((part) =>
      this.#there.slice(0, part * sequences, (part + 1) * sequences),
    );
    this.#graph = new DecodeGraph(device, () => {
      const logits = model.forward(step);
      // The turns that the choice moves on are overwritten by the next step's.
      const texts = { ids: this.#ids, positions: turns as Tensor, log: this.chosen };
      draws.choose(bucket.choice, logits, texts, positions as Tensor);
      return logits;
    });
  }

  /**
   * Queues a step with the ids that it says; returns its logits `[B, V]`, of the model's dtype, which the next step
   * overwrites.
   */
  run(placed: PlacedStep, turn: number): Tensor {
    const { sequences } = this.#bucket;
    const ids = new Int32Array(sequences);
    const { values } = placed.step.ids;
    for (const [i, row] of placed.rows.entries()) ids[row] = (values as Int32Array)[i] as number;
    this.#ids.copyFrom(new Tensor(ids, "i32", [sequences]));
    if (this.#graph.isCaptured) return this.follow(placed, turn);
    this.#place(placed, turn);
    const logits = this.#graph.call();
    this.#graph.capture((work) => together(this.#device, work));
    return logits;
  }

  /** As `run` once there was one, with the ids that the step before chose, on the device. */
  follow(placed: PlacedStep, turn: number): Tensor {
    this.#place(placed, turn);
    return this.#graph.replay();
  }

  dispose(): void {
    this.#graph.dispose();
    this.chosen.dispose();
    this.#there.dispose();
    this.#fixed.dispose();
  }

  #place({ step: { positions, slots, batch }, rows }: PlacedStep, turn: number): void {
    const { sequences: B, pages: P } = this.#bucket;
    const { lengths, pages } = batch as StepBatch;
    const here = this.#here;
    const { scratch, pageSize } = this.#cache.pool;
    here.fill(0, 0, B);
    here.fill(scratch * pageSize, B, 2 * B);
    here.fill(1, 2 * B, 3 * B);
    here.fill(turn, 3 * B, 4 * B);
    here.fill(scratch, 4 * B);
    const width = pages.length / lengths.length;
    const table = pages.values as Int32Array;
    for (const [i, row] of rows.entries()) {
      for (const [part, { values }] of [positions, slots, lengths].entries()) {
        here[part * B + row] = (values as Int32Array)[i] as number;
      }
      here.set(table.subarray(i * width, (i + 1) * width), 4 * B + row * P);
    }
    this.#there.copyFrom(new Tensor(here, "i32", [here.length]));
  }

  #stepOnDevice(): Step {
    const { sequences: B, pages: P } = this.#bucket;
    const { pool } = this.#cache;
    const longest = P * pool.pageSize;
    const part = (from: number, count: number, bound: number): Indices =>
      Indices.onDevice(this.#there.slice(0, from, from + count), bound);
    return {
      ids: Indices.onDevice(this.#ids, this.#model.vocabSize),
      positions: part(0, B, Math.min(longest, this.#cache.maxPositions)),
      slots: part(B, B, pool.slots),
      past: part(0, B, Math.min(longest, this.#cache.maxPositions)),
      batch: {
        queryStarts: Indices.onDevice(this.#fixed, B + 1),
        lengths: part(2 * B, B, longest + 1),
        pages: part(4 * B, B * P, pool.pages + 1),
        mostQueries: 1,
        lastRows: Indices.onDevice(this.#fixed.slice(0, 0, B), B),
      },
      cache: this.#cache,
      trace: null,
    };
  }
}
