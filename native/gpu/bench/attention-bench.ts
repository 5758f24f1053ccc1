import {
  type AttentionTuning,
  attentionTuning,
  CudaAttention,
  type CudaAttentionForm,
  type CudaAttentionShape,
  CudaKernels,
  CudaMemory,
  CudaStream,
  cudaDevice,
  Jit,
} from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import { type Timed, Timer } from "./timer.ts";

const headDim = 128;
const width = 2; // of bf16
const pageSize = 16;
/** Keys and values of one graph: several times the L2, so that each launch finds its own in memory. */
const graphBytes = 400e6;

/** One call: queries of a batch, each sequence of which has so many keys, the queries' own included. */
export interface AttentionSize {
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly batch: number;
  /** Of each sequence. */
  readonly queries: number;
  readonly keys: number;
}

/** Attention in bf16, head dim 128, over random keys that no cache holds. */
export class AttentionBench {
  readonly #stream = new CudaStream(0);
  readonly #jit = new Jit({ folder: null, seeds: [] });
  readonly #kernels = new CudaKernels(cudaDevice(0), this.#jit);
  readonly #timer = new Timer(this.#stream, this.#jit);
  readonly #cache: CudaMemory;
  readonly #q = new CudaMemory(this.#stream, 8192 * 64 * headDim * width);
  readonly #out = new CudaMemory(this.#stream, 8192 * 64 * headDim * width);

  /** `bytes`: room for the keys and values of the largest call. */
  constructor(bytes: number) {
    this.#cache = new CudaMemory(this.#stream, Math.max(bytes, graphBytes));
    const source = programSource(new URL("./data.cu", import.meta.url));
    const fill = new Program(this.#jit, source, "fill_random", ["address", "u64", "u32"], {
      macros: { QK_DTYPE: 1 },
    });
    for (const memory of [this.#cache, this.#q]) {
      fill.launch([{ memory }, Math.floor(memory.bytes / 4), 1], 132 * 16, 256).run(this.#stream);
    }
    this.#stream.synchronize();
  }

  /**
   * Microseconds a launch in a graph: from the view of one sequence's cache where there is one, and from pages. Decode with
   * each of `tunings` besides the default; throws where their results are not the default's within a rounding.
   */
  measure(
    size: AttentionSize,
    tunings: Readonly<Record<string, Partial<AttentionTuning>>>,
  ): Record<string, number> {
    const all: [string, Partial<AttentionTuning>][] = [
      ["", {}],
      ...(size.queries === 1 ? Object.entries(tunings) : []),
    ];
    const timed = all.flatMap(([name, tuning]) => [
      ...(size.batch === 1 ? [this.#timed(`view${name}`, size, false, tuning)] : []),
      ...(size.queries === 1 ? [this.#timed(`pages${name}`, size, true, tuning)] : []),
    ]);
    const results = timed.map(({ name, queue }) => ({ name, out: this.#resultOf(queue, size) }));
    for (const { name, out } of results) {
      const first = results.find((one) => name.startsWith(one.name)) as (typeof results)[number];
      expectNear(`${name} of ${JSON.stringify(size)}`, out, first.out);
    }
    return this.#timer.measure(timed);
  }

  /** The output of the last launch, bf16 widened; also compiles what there is to compile. */
  #resultOf(queue: () => void, { batch, queries, queryHeads }: AttentionSize): Float32Array {
    const bits = new Uint16Array(Math.min(batch * queries, 64) * queryHeads * headDim);
    queue();
    this.#out.download(bits, this.#stream);
    const words = Uint32Array.from(bits, (pattern) => pattern << 16);
    return new Float32Array(words.buffer);
  }

  #timed(name: string, size: AttentionSize, paged: boolean, tuning: Partial<AttentionTuning>): Timed {
    const { queryHeads, kvHeads, batch, queries, keys } = size;
    const tokenBytes = kvHeads * headDim * width;
    const capacity = batch * Math.ceil(keys / pageSize) * pageSize;
    const setBytes = 2 * capacity * tokenBytes;
    const sets = Math.max(1, Math.floor(this.#cache.bytes / setBytes));
    const launches = Math.max(2, Math.min(60, Math.ceil(graphBytes / setBytes)));
    const form: CudaAttentionForm = {
      ...{ dtype: "bf16", cacheDtype: "bf16", headDim, rounding: "once", mask: "causal", softCap: false },
      ...{ sinks: null, paged, alignment: 16, cacheAlignment: 16 },
    };
    const strides = { token: tokenBytes, head: headDim * width };
    const pagesPerSequence = Math.ceil(keys / pageSize);
    const shape: CudaAttentionShape = {
      ...{ tokens: batch * queries, queryHeads, kvHeads, capacity, scale: headDim ** -0.5, softCap: 0 },
      ...{ window: 0, chunk: 0, batch, mostQueries: queries, pageSize, pagesPerSequence },
      ...{ qStrides: { token: queryHeads * headDim * width, head: headDim * width } },
      ...{ kStrides: strides, vStrides: strides },
    };
    const attention = new CudaAttention(this.#kernels, form, shape, { ...attentionTuning, ...tuning });
    const lengths = this.#indices(paged ? new Array(batch).fill(keys) : [keys - queries]);
    const starts = this.#indices(Array.from({ length: batch + 1 }, (_, b) => b * queries));
    // Every page somewhere else.
    const count = batch * pagesPerSequence;
    const pages = this.#indices(Array.from({ length: count }, (_, i) => (i * 7919) % count));
    const run = (launch: number) => {
      const at = (launch % sets) * setBytes;
      attention.run(this.#stream, {
        ...{ q: { memory: this.#q, offset: 0 }, out: { memory: this.#out, offset: 0 } },
        k: { memory: this.#cache, offset: at },
        v: { memory: this.#cache, offset: at + setBytes / 2 },
        lengths: { memory: lengths, offset: 0 },
        ...(paged && { queryStarts: { memory: starts, offset: 0 }, pages: { memory: pages, offset: 0 } }),
      });
    };
    return {
      name,
      launches,
      queue: () => {
        for (let launch = 0; launch < launches; launch++) run(launch);
      },
    };
  }

  #indices(values: readonly number[]): CudaMemory {
    const memory = new CudaMemory(this.#stream, values.length * 4);
    memory.upload(Int32Array.from(values), this.#stream);
    return memory;
  }
}

function expectNear(what: string, got: Float32Array, expected: Float32Array): void {
  for (const [i, value] of expected.entries()) {
    const mine = got[i] as number;
    if (Math.abs(mine - value) <= 2 ** -7 * Math.abs(value) + 1e-3) continue;
    throw new Error(`${what}: element ${i} is ${mine}, not ${value}`);
  }
}

/** Bytes of keys and values that a call reads. */
export function cacheBytes({ kvHeads, batch, keys }: AttentionSize): number {
  return 2 * batch * keys * kvHeads * headDim * width;
}

/** Operations of both products of causal attention. */
export function operations({ queryHeads, batch, queries, keys }: AttentionSize): number {
  return 4 * headDim * queryHeads * batch * queries * (keys - (queries - 1) / 2);
}
