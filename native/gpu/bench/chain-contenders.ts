import {
  type CudaChainForm,
  CudaKernels,
  CudaMemory,
  type CudaNormForm,
  CudaQkNorm,
  CudaQkNormRope,
  type CudaStream,
  cudaDevice,
  type Jit,
  type LaunchConfig,
} from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import { type ChainRow, chainHeadDim as headDim } from "./chain-rows.ts";

const eps = 1e-6;
const bytes = 2;
const head = headDim * bytes;
const row = headDim * bytes;
export const places = 8192;
/** Tokens of a page: slots of one page lie together, pages anywhere. */
const pageSize = 16;

/** Runs of one launch, or of the launches of one design. */
export type ChainLaunch = () => void;

export const designs = ["normRope", "normThenRopeStore", "normRopeThenCopies"] as const;
export type Design = (typeof designs)[number];
export type ChainContender = "chain" | "chainE4m3" | Design | "normAlone" | "deviceCopy";

const norm: CudaNormForm = {
  headDim,
  dtype: "bf16",
  kind: "rms",
  weight: "bf16",
  bias: null,
  weightOffset: 0,
  rounding: "once",
  inPlace: true,
  alignment: 16,
  weightAlignment: 16,
};

function formOf(cache: "bf16" | "e4m3"): CudaChainForm {
  return {
    ...{ norm, normalizes: true, order: "norm-rope" },
    rope: { half: headDim / 2, layout: "halves", rounding: "once", alignment: 16, settled: true },
    cache: { dtype: cache, alignment: 16, scales: cache === "e4m3" ? "computed" : "none" },
  };
}

/** The chain and what it is compared with, on q, k and v of a row: contiguous, bf16, in place, into pages of a cache. */
export class ChainContenders {
  readonly memory: Readonly<
    Record<
      | "q"
      | "k"
      | "v"
      | "kCache"
      | "vCache"
      | "kScales"
      | "vScales"
      | "weights"
      | "cos"
      | "sin"
      | "positions"
      | "slots"
      | "spare",
      CudaMemory
    >
  >;
  readonly positions: Int32Array;
  readonly slots: Int32Array;
  readonly #stream: CudaStream;
  readonly #jit: Jit;
  readonly #kernels: CudaKernels;
  readonly #multiprocessors: number;
  readonly #programs = new Map<string, Program>();

  constructor(stream: CudaStream, jit: Jit, largest: ChainRow) {
    this.#stream = stream;
    this.#jit = jit;
    const device = cudaDevice(stream.device);
    this.#kernels = new CudaKernels(device, jit);
    this.#multiprocessors = device.multiprocessors;
    const { tokens, queryHeads, kvHeads } = largest;
    const make = (size: number): CudaMemory => new CudaMemory(stream, size);
    const kv = tokens * kvHeads * head;
    this.memory = {
      ...{
        q: make(tokens * queryHeads * head),
        k: make(kv),
        v: make(kv),
        kCache: make(kv),
        vCache: make(kv),
      },
      ...{ kScales: make(tokens * kvHeads * 4), vScales: make(tokens * kvHeads * 4), weights: make(2 * row) },
      ...{ cos: make(places * headDim * 2), sin: make(places * headDim * 2) },
      ...{ positions: make(tokens * 4), slots: make(tokens * 4), spare: make(tokens * queryHeads * head) },
    };
    this.positions = Int32Array.from({ length: tokens }, (_, t) => (t * 5) % places);
    // Pages in an order that no prefetcher knows: 7919 is prime.
    const pages = Math.ceil(tokens / pageSize);
    this.slots = Int32Array.from({ length: tokens }, (_, t) => {
      return ((Math.floor(t / pageSize) * 7919) % pages) * pageSize + (t % pageSize);
    });
    this.memory.positions.upload(this.positions, stream);
    this.memory.slots.upload(this.slots, stream);
    for (const [name, f] of Object.entries({ cos: Math.cos, sin: Math.sin })) {
      const table = new Float32Array((places * headDim) / 2);
      for (let i = 0; i < table.length; i++) table[i] = f(angle(Math.floor(i / 64), i % 64));
      this.memory[name as "cos" | "sin"].upload(table, stream);
    }
    this.keepSize();
  }

  /** Weights of exactly 1 or -1, so that thousands of norms in place change nothing. */
  keepSize(): void {
    const weights = Uint16Array.from({ length: 2 * headDim }, (_, i) => 0x3f80 | (i % 3 === 0 ? 0x8000 : 0));
    this.memory.weights.upload(weights, this.#stream);
  }

  free(): void {
    for (const memory of Object.values(this.memory)) memory.free();
  }

  /** Compiles what the chain and the norm may need, by the launch table or in these configurations. */
  async warmUp(configs?: readonly LaunchConfig[]): Promise<void> {
    const { device } = this.#kernels;
    const chain = CudaQkNormRope.requests(formOf("bf16"), device, configs && { configs });
    const others = configs
      ? []
      : [...CudaQkNormRope.requests(formOf("e4m3"), device), ...CudaQkNorm.requests(norm, device)];
    await this.#kernels.warmUp([...chain, ...others]);
  }

  prepare(name: ChainContender, size: ChainRow): ChainLaunch {
    return {
      chain: () => this.chain(size, "bf16"),
      chainE4m3: () => this.chain(size, "e4m3"),
      normRope: () => this.#normRope(size),
      normThenRopeStore: () => inTurn(this.#seedNorm(size), this.#ropeStore(size)),
      normRopeThenCopies: () =>
        inTurn(this.#normRope(size), this.#copyRows(size, "k"), this.#copyRows(size, "v")),
      normAlone: () => this.#normAlone(size),
      deviceCopy: () => this.#copy(size),
    }[name]();
  }

  /** The chain, in a configuration of its own if one is given. */
  chain(size: ChainRow, cache: "bf16" | "e4m3", config?: LaunchConfig): ChainLaunch {
    const { queryHeads, kvHeads, tokens } = size;
    const { memory } = this;
    const cacheHead = cache === "e4m3" ? headDim : head;
    const side = {
      ...{ slotStride: kvHeads * cacheHead, headStride: cacheHead },
      ...{ scaleSlotStride: kvHeads * 4, scaleHeadStride: 4 },
    };
    const store = {
      v: { tokenStride: kvHeads * head, headStride: head },
      ...{ slots: this.slots.length, k: side, vCache: side },
    };
    const launch = new CudaQkNormRope(this.#kernels, {
      ...{ form: formOf(cache), places, store, ...this.#sides(queryHeads, kvHeads) },
      ...(config && { config }),
    })
      .tokens(tokens)
      .bind("qWeight", memory.weights)
      .bind("kWeight", memory.weights, row)
      .bind("qInput", memory.q)
      .bind("kInput", memory.k);
    for (const name of ["cos", "sin", "positions", "slots", "v", "kCache", "vCache"] as const) {
      launch.bind(name, memory[name]);
    }
    if (cache === "e4m3") launch.bind("kScales", memory.kScales).bind("vScales", memory.vScales);
    return () => launch.run(this.#stream);
  }

  #normAlone({ queryHeads, kvHeads, tokens }: ChainRow): ChainLaunch {
    const { memory } = this;
    const launch = new CudaQkNorm(this.#kernels, { form: norm, ...this.#sides(queryHeads, kvHeads) })
      .tokens(tokens)
      .bind("qWeight", memory.weights)
      .bind("kWeight", memory.weights, row)
      .bind("qInput", memory.q)
      .bind("kInput", memory.k);
    return () => launch.run(this.#stream);
  }

  #sides(queryHeads: number, kvHeads: number) {
    return {
      q: { heads: queryHeads, eps, tokenStride: queryHeads * head, headStride: head },
      k: { heads: kvHeads, eps, tokenStride: kvHeads * head, headStride: head },
    };
  }

  #seedNorm({ queryHeads, kvHeads, tokens }: ChainRow): ChainLaunch {
    const { q, k, weights } = this.memory;
    const parameters = [...addresses(4), "i64", "i64", "u32", "u32", "f32", "u32"] as const;
    return this.#run("seed_design", parameters, tokens * (queryHeads + kvHeads), [
      ...[{ memory: q }, { memory: k }, { memory: weights }, { memory: weights, offset: row }],
      ...[queryHeads * headDim, kvHeads * headDim, queryHeads, kvHeads, eps, tokens],
    ]);
  }

  #normRope({ queryHeads, kvHeads, tokens }: ChainRow): ChainLaunch {
    const { q, k, weights, cos, sin, positions } = this.memory;
    const parameters = [...addresses(7), "i64", "i64", "u32", "u32", "f32", "u32"] as const;
    return this.#run("fused_norm_rope", parameters, tokens * (queryHeads + kvHeads), [
      ...[{ memory: q }, { memory: k }, { memory: weights }, { memory: weights, offset: row }],
      ...[{ memory: cos }, { memory: sin }, { memory: positions }],
      ...[queryHeads * headDim, kvHeads * headDim, queryHeads, kvHeads, eps, tokens],
    ]);
  }

  #ropeStore({ queryHeads, kvHeads, tokens }: ChainRow): ChainLaunch {
    const { q, k, v, cos, sin, positions, kCache, vCache, slots } = this.memory;
    const parameters = [...addresses(9), "i64", "i64", "i64", "u32", "u32", "u32"] as const;
    return this.#run("rope_store", parameters, tokens * (queryHeads + 2 * kvHeads), [
      ...[q, k, v, cos, sin, positions, kCache, vCache, slots].map((memory) => ({ memory })),
      ...[queryHeads * headDim, kvHeads * headDim, kvHeads * headDim, queryHeads, kvHeads, tokens],
    ]);
  }

  #copyRows({ kvHeads, tokens }: ChainRow, side: "k" | "v"): ChainLaunch {
    const { memory } = this;
    const cache = memory[side === "k" ? "kCache" : "vCache"];
    return this.#run("copy_rows", [...addresses(3), "i64", "u32", "u32"], tokens * kvHeads, [
      ...[{ memory: memory[side] }, { memory: cache }, { memory: memory.slots }],
      ...[kvHeads * headDim, kvHeads, tokens],
    ]);
  }

  /** A copy that moves as many bytes as q and k have. */
  #copy({ queryHeads, kvHeads, tokens }: ChainRow): ChainLaunch {
    const { q, spare } = this.memory;
    const size = Math.min(q.bytes, tokens * (queryHeads + kvHeads) * head);
    return () => spare.copyFrom(q, this.#stream, { bytes: size });
  }

  /** A baseline by its own rule for the grid. */
  #run(
    name: string,
    parameters: readonly ("address" | "i64" | "u32" | "f32")[],
    warps: number,
    values: readonly (number | { readonly memory: CudaMemory; readonly offset?: number })[],
  ): ChainLaunch {
    let program = this.#programs.get(name);
    if (program === undefined) {
      const own = name === "seed_design";
      const file = new URL(own ? "../../kernels/seed_design.cu" : "./chain_baselines.cu", import.meta.url);
      const macros = {
        QK_HEAD_DIM: headDim,
        QK_DTYPE: 1,
        ...(own ? { QK_WEIGHT_EARLY: 1 } : { QK_BASELINE: baselines.indexOf(name) }),
      };
      program = new Program(this.#jit, programSource(file), name, parameters, { macros });
      this.#programs.set(name, program);
    }
    const blocks = Math.min(this.#multiprocessors * program.kernel.occupancy(128), Math.ceil(warps / 4));
    const launch = program.launch(values, blocks, 128);
    return () => launch.run(this.#stream);
  }
}

/** In the order of QK_BASELINE. */
const baselines = ["fused_norm_rope", "rope_store", "copy_rows"];

/** Of a position and a pair, as Qwen3 turns it. */
export function angle(position: number, pair: number): number {
  return position * 1_000_000 ** ((-2 * pair) / headDim);
}

function addresses(count: number): "address"[] {
  return new Array<"address">(count).fill("address");
}

function inTurn(...launches: readonly ChainLaunch[]): ChainLaunch {
  return () => {
    for (const launch of launches) launch();
  };
}
