import { backendOf, type Device, DeviceMark, keep, Tensor } from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step, StepBatch } from "../layers/step.ts";
import { type Bucket, DecodeGraph, type PlacedStep } from "./decode-graph.ts";

const FEWEST_PAGES = 32;

/**
 * Decode steps as captured graphs, one for each power of two of sequences and of pages. The same logits as a pass by calls,
 * bit for bit. A step of likeliest tokens may follow another one before that was read: its ids are on the device.
 */
export class DecodeGraphs {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #device: Device;
  readonly #mark: DeviceMark;
  /** i32 `[B]` of the largest bucket: what the last step chose, row by row. */
  readonly #ids: Tensor;
  readonly #graphs = new Map<string, DecodeGraph>();
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
    this.#ids = keep(Tensor.zeros([powerOfTwo(maxSequences)], "i32", device));
  }

  /** f32 `[B, V]`, of B sequences or more: the logits of a step of one token each. The next step overwrites them. */
  logits(step: Step): Tensor {
    const placed = { step, rows: Array.from({ length: sequencesOf(step) }, (_, row) => row) };
    return this.#run(placed).logits;
  }

  /** Queues a step of one token each; its likeliest tokens can be read. */
  choose(placed: PlacedStep): ChosenTokens {
    const { graph, turn } = this.#run(placed);
    this.#mark.set();
    return new ChosenTokens(graph.chosen, turn, this.#mark);
  }

  /**
   * As `choose`, right after a step whose tokens were not read: each sequence goes on with what its row chose there, whatever
   * ids the step says. Null, with nothing done, where there is no graph of its size yet.
   */
  follow(placed: PlacedStep): ChosenTokens | null {
    const graph = this.#graphs.get(keyOf(bucketOf(placed)));
    if (graph === undefined) return null;
    this.#turn = 1 - this.#turn;
    graph.follow(placed, this.#turn);
    this.#cache.advance(placed.step);
    return new ChosenTokens(graph.chosen, this.#turn, this.#mark);
  }

  dispose(): void {
    for (const graph of this.#graphs.values()) graph.dispose();
    this.#graphs.clear();
    this.#ids.dispose();
    this.#mark.dispose();
  }

  #run(placed: PlacedStep): { readonly graph: DecodeGraph; readonly logits: Tensor; readonly turn: number } {
    const bucket = bucketOf(placed);
    const key = keyOf(bucket);
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = new DecodeGraph(this.#device, this.#model, this.#cache, bucket, this.#ids);
      this.#graphs.set(key, graph);
    }
    const turn = 1 - this.#turn;
    this.#turn = turn;
    const logits = graph.run(placed, turn);
    this.#cache.advance(placed.step);
    return { graph, logits, turn };
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

function bucketOf({ step, rows }: PlacedStep): Bucket {
  const { pages } = step.batch as StepBatch;
  return {
    sequences: powerOfTwo(Math.max(...rows) + 1),
    pages: Math.max(FEWEST_PAGES, powerOfTwo(pages.length / sequencesOf(step))),
  };
}

function keyOf({ sequences, pages }: Bucket): string {
  return `${sequences} ${pages}`;
}

function sequencesOf(step: Step): number {
  return (step.batch as StepBatch).lengths.length;
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
