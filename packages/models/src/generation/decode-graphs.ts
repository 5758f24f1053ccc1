import {
  backendOf,
  convert,
  type Device,
  DeviceGraph,
  Indices,
  keep,
  likeliest,
  Tensor,
  tidy,
} from "@qknorm/tensor";
import type { CausalLm } from "../families/causal-lm.ts";
import type { PagedKvCache } from "../layers/paged-kv-cache.ts";
import type { Step, StepBatch } from "../layers/step.ts";

/** A graph's size: it serves what is not larger. */
interface Bucket {
  /** Sequences, B. */
  readonly sequences: number;
  /** Pages of each, P. */
  readonly pages: number;
}

/** What a replay leaves: f32 `[B, V]`, and i32 `[B, 1]`. */
interface Captured {
  readonly graph: DeviceGraph;
  readonly logits: Tensor;
  readonly chosen: Tensor;
}

const FEWEST_PAGES = 32;

/**
 * Decode steps as captured graphs, one for each power of two of sequences and of pages: what changes from step to step is
 * uploaded as one array, and the rest is replayed. The same logits as a pass by calls, bit for bit.
 */
export class DecodeGraphs {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #device: Device;
  readonly #graphs = new Map<string, DecodeGraph>();

  /** Null for a device that captures nothing. */
  static on(device: Device | undefined, model: CausalLm, cache: PagedKvCache): DecodeGraphs | null {
    if (device === undefined || backendOf(device).capture === null) return null;
    return new DecodeGraphs(device, model, cache);
  }

  private constructor(device: Device, model: CausalLm, cache: PagedKvCache) {
    this.#device = device;
    this.#model = model;
    this.#cache = cache;
  }

  /** f32 `[B, V]`, of B sequences or more: the logits of a step of one token each. The next step overwrites them. */
  logits(step: Step): Tensor {
    return this.#run(step).logits;
  }

  /** i32 `[B, 1]`, of B sequences or more: the largest of each one's logits, -1 where none is a finite largest. As `logits`. */
  likeliest(step: Step): Tensor {
    return this.#run(step).chosen;
  }

  dispose(): void {
    for (const graph of this.#graphs.values()) graph.dispose();
    this.#graphs.clear();
  }

  #run(step: Step): Captured {
    const { lengths, pages } = step.batch as StepBatch;
    const bucket = {
      sequences: powerOfTwo(lengths.length),
      pages: Math.max(FEWEST_PAGES, powerOfTwo(pages.length / lengths.length)),
    };
    const key = `${bucket.sequences} ${bucket.pages}`;
    let graph = this.#graphs.get(key);
    if (graph === undefined) {
      graph = new DecodeGraph(this.#device, this.#model, this.#cache, bucket);
      this.#graphs.set(key, graph);
    }
    const captured = graph.run(step);
    this.#cache.advance(step);
    return captured;
  }
}

/** One bucket. Rows that no sequence has write to the cache's spare page, and their logits are read by nobody. */
class DecodeGraph {
  readonly #model: CausalLm;
  readonly #cache: PagedKvCache;
  readonly #bucket: Bucket;
  /** On the device: ids, positions, slots, lengths `[B]` each, and pages `[B, P]`. */
  readonly #there: Tensor;
  /** The same on the host. */
  readonly #here: Int32Array;
  /** What does not change. */
  readonly #fixed: Tensor;
  readonly #step: Step;
  readonly #chosen: Tensor;
  #captured: Captured | null = null;

  constructor(device: Device, model: CausalLm, cache: PagedKvCache, bucket: Bucket) {
    const { sequences, pages } = bucket;
    this.#model = model;
    this.#cache = cache;
    this.#bucket = bucket;
    this.#here = new Int32Array(sequences * (4 + pages));
    this.#there = keep(Tensor.empty([this.#here.length], "i32", device));
    const rows = Array.from({ length: sequences + 1 }, (_, row) => row);
    this.#fixed = keep(new Tensor(Int32Array.from(rows), "i32", [rows.length]).to(device));
    this.#chosen = keep(Tensor.zeros([sequences, 1], "i32", device));
    this.#step = this.#stepOnDevice();
  }

  run(step: Step): Captured {
    this.#fill(step);
    this.#upload();
    if (this.#captured === null) return this.#first();
    this.#captured.graph.replay();
    return this.#captured;
  }

  dispose(): void {
    this.#captured?.graph.dispose();
    this.#captured?.logits.dispose();
    this.#chosen.dispose();
    this.#there.dispose();
    this.#fixed.dispose();
  }

  // By calls, which compiles and loads what the capture then finds; and the capture, which runs nothing.
  #first(): Captured {
    tidy(() => void this.#pass());
    let logits: Tensor | null = null;
    const graph = DeviceGraph.capture(this.#there.device, () => {
      logits = keep(tidy(() => this.#pass()));
    });
    this.#captured = { graph, logits: logits as unknown as Tensor, chosen: this.#chosen };
    // The pass by calls has moved the positions on.
    this.#upload();
    graph.replay();
    return this.#captured;
  }

  // Ids and positions that the choice leaves behind are overwritten by the next step's.
  #pass(): Tensor {
    const logits = convert(this.#model.forward(this.#step), "f32");
    const { sequences: B } = this.#bucket;
    const [ids, positions] = [this.#there.slice(0, 0, B), this.#there.slice(0, B, 2 * B)];
    likeliest(logits, { ids, positions, log: this.#chosen });
    return logits;
  }

  #upload(): void {
    this.#there.copyFrom(new Tensor(this.#here, "i32", [this.#here.length]));
  }

  #fill({ ids, positions, slots, batch }: Step): void {
    const { sequences: B, pages: P } = this.#bucket;
    const { lengths, pages } = batch as StepBatch;
    const here = this.#here;
    const { scratch, pageSize } = this.#cache.pool;
    const [count, width] = [lengths.length, pages.length / lengths.length];
    here.fill(0, 0, 2 * B);
    here.fill(scratch * pageSize, 2 * B, 3 * B);
    here.fill(1, 3 * B, 4 * B);
    here.fill(scratch, 4 * B);
    for (const [part, { values }] of [ids, positions, slots, lengths].entries()) {
      here.set(values as Int32Array, part * B);
    }
    const table = pages.values as Int32Array;
    for (let row = 0; row < count; row++) {
      here.set(table.subarray(row * width, (row + 1) * width), 4 * B + row * P);
    }
  }

  #stepOnDevice(): Step {
    const { sequences: B, pages: P } = this.#bucket;
    const { pool } = this.#cache;
    const longest = P * pool.pageSize;
    const part = (from: number, count: number, bound: number): Indices =>
      Indices.onDevice(this.#there.slice(0, from, from + count), bound);
    return {
      ids: part(0, B, this.#model.vocabSize),
      positions: part(B, B, Math.min(longest, this.#cache.maxPositions)),
      slots: part(2 * B, B, pool.slots),
      past: part(B, B, Math.min(longest, this.#cache.maxPositions)),
      batch: {
        queryStarts: Indices.onDevice(this.#fixed, B + 1),
        lengths: part(3 * B, B, longest + 1),
        pages: part(4 * B, B * P, pool.pages + 1),
        mostQueries: 1,
        lastRows: Indices.onDevice(this.#fixed.slice(0, 0, B), B),
      },
      cache: this.#cache,
      trace: null,
    };
  }
}

function powerOfTwo(atLeast: number): number {
  return 2 ** Math.ceil(Math.log2(atLeast));
}
