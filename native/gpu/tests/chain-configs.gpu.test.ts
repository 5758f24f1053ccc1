import { encodeBf16 } from "@qknorm/core";
import { afterEach, describe, expect, it } from "vitest";
import {
  type CudaChainForm,
  CudaGraph,
  CudaKernels,
  CudaMemory,
  CudaQkNormRope,
  CudaStream,
  cudaDevice,
  type LaunchConfig,
} from "../../src/index.ts";
import { normal } from "../numbers.ts";
import { expectNothingLive, jit, missing, programs } from "./gpu.ts";
import { nameOf } from "./launch-configs.ts";

afterEach(() => {
  if (missing === "") expectNothingLive();
});

const plain = {
  lanes: 16,
  rows: 1,
  block: 128,
  trigger: 1,
  loop: 0,
  waves: 0,
  prefetch: 0,
  radix: 4,
} as const;

/** One of each way that qk_norm_rope.cu may be launched. */
const launchConfigs: readonly LaunchConfig[] = [
  { ...plain },
  { ...plain, block: 64, prefetch: 1 },
  { ...plain, block: 64, prefetch: 2 },
  { ...plain, lanes: 8, trigger: 5, prefetch: 2 },
  { ...plain, lanes: 8, rows: 2, trigger: 2, prefetch: 1 },
  { ...plain, trigger: 3, late: 1, resident: 16 },
  { ...plain, rows: 2, block: 256, trigger: 4, late: 1, resident: 6 },
  { ...plain, lanes: 8, rows: 4, trigger: 3, late: 1, resident: 5 },
  { ...plain, lanes: 8, rows: 1, trigger: 3, loop: 2, waves: 8, late: 1, resident: 8 },
  { ...plain, lanes: 16, rows: 2, trigger: 3, loop: 1, waves: 1 },
];
const configs = launchConfigs.map((config) => ({ config, name: nameOf(config) }));

const [D, R, places, slots, heads, kvHeads] = [128, 64, 64, 512, 5, 3] as const;
const form: CudaChainForm = {
  norm: {
    ...{
      headDim: D,
      dtype: "bf16",
      kind: "rms",
      weight: "bf16",
      bias: null,
      weightOffset: 0,
      rounding: "once",
    },
    ...{ inPlace: true, alignment: 16, weightAlignment: 16 },
  },
  ...{ normalizes: true, order: "norm-rope" },
  rope: { half: R, layout: "halves", rounding: "once", alignment: 16, settled: true },
  cache: { dtype: "bf16", alignment: 16, scales: "none" },
};

describe.skipIf(missing !== "")(`the chain's launches on a GPU${missing}`, () => {
  it.each(configs)("give the same bits for few and many tokens: $name", ({ config }) => {
    for (const tokens of [1, 3, 500]) {
      using wanted = new Scene(tokens, plain);
      using scene = new Scene(tokens, config);
      for (const one of [wanted, scene]) one.launch.run(one.stream);
      expect([tokens, scene.difference(wanted)]).toEqual([tokens, ""]);
    }
  });

  it.each(configs)(
    "read q and positions after a kernel that lets them start early, sleeps and then writes: $name",
    ({ config }) => {
      using wanted = new Scene(40, plain);
      using scene = new Scene(40, config);
      wanted.launch.run(wanted.stream);
      const producer = programs.lateProducer();
      const { q, positions } = scene;
      using goodQ = copyOf(q, scene.stream);
      using goodPositions = copyOf(positions, scene.stream);
      scene.launch.run(scene.stream); // loads its kernel
      using graph = CudaGraph.capture(scene.stream, () => {
        producer.launch([{ memory: q }, { memory: goodQ }, q.bytes / 4, 20], 8, 256).run(scene.stream);
        producer
          .launch([{ memory: positions }, { memory: goodPositions }, positions.bytes / 4, 20], 1, 64)
          .run(scene.stream);
        scene.launch.run(scene.stream);
      });
      for (let i = 0; i < 20; i++) {
        scene.reset();
        q.fill(0x40, scene.stream);
        positions.fill(i % 2, scene.stream);
        graph.replay(scene.stream);
        expect(scene.difference(wanted)).toBe("");
      }
    },
  );
});

function copyOf(memory: CudaMemory, stream: CudaStream): CudaMemory {
  const copy = new CudaMemory(stream, memory.bytes);
  copy.copyFrom(memory, stream);
  return copy;
}

/** A launch with all that it reads, the same numbers each time, and writes. */
class Scene {
  readonly stream = new CudaStream(0);
  readonly q: CudaMemory;
  readonly positions: CudaMemory;
  readonly launch: CudaQkNormRope;
  readonly #written: Readonly<Record<"q" | "k" | "kCache" | "vCache", CudaMemory>>;
  readonly #start = new Map<CudaMemory, Uint16Array>();
  readonly #all: CudaMemory[] = [];

  constructor(tokens: number, config: LaunchConfig) {
    const { stream } = this;
    const random = normal(3);
    const filled = (length: number): CudaMemory => {
      return this.#made(Uint16Array.from({ length }, () => encodeBf16(random())));
    };
    const table = (f: (x: number) => number): CudaMemory =>
      this.#made(Float32Array.from({ length: places * R }, (_, i) => f(Math.floor(i / R) * 0.7 ** (i % R))));
    this.q = filled(tokens * heads * D);
    const [k, v] = [filled(tokens * kvHeads * D), filled(tokens * kvHeads * D)];
    const weights = filled(2 * D);
    const [kCache, vCache] = [filled(slots * kvHeads * D), filled(slots * kvHeads * D)];
    this.#written = { q: this.q, k, kCache, vCache };
    this.positions = this.#made(Int32Array.from({ length: tokens }, (_, t) => (t * 5) % places));
    const rows = this.#made(Int32Array.from({ length: tokens }, (_, t) => (t * 7) % slots));
    const [cos, sin] = [table(Math.cos), table(Math.sin)];
    const side = (n: number) => ({ heads: n, eps: 1e-6, tokenStride: n * D * 2, headStride: D * 2 });
    const cache = { slotStride: kvHeads * D * 2, headStride: D * 2 };
    const values = { tokenStride: kvHeads * D * 2, headStride: D * 2 };
    this.launch = new CudaQkNormRope(new CudaKernels(cudaDevice(0), jit), {
      ...{ form, q: side(heads), k: side(kvHeads), places, config },
      store: { v: values, slots, k: cache, vCache: cache },
    }).tokens(tokens);
    this.launch.bind("qWeight", weights).bind("kWeight", weights, D * 2);
    for (const [name, memory] of Object.entries({
      ...{ qInput: this.q, kInput: k, v, cos, sin, positions: this.positions, slots: rows, kCache, vCache },
    })) {
      this.launch.bind(name as "v", memory);
    }
    stream.synchronize();
  }

  /** What is written, as it was at first. */
  reset(): void {
    for (const memory of Object.values(this.#written)) {
      memory.upload(this.#start.get(memory) as Uint16Array, this.stream);
    }
  }

  /** Where what was written differs; empty: nowhere. */
  difference(from: Scene): string {
    for (const name of ["q", "k", "kCache", "vCache"] as const) {
      const [a, b] = [this.#read(name), from.#read(name)];
      const at = a.findIndex((bits, i) => bits !== b[i]);
      if (at >= 0) return `element ${at} of ${name} is ${a[at]}, not ${b[at]}`;
    }
    return "";
  }

  [Symbol.dispose](): void {
    this.stream.synchronize();
    for (const memory of this.#all) memory.free();
    this.stream.free();
  }

  #read(name: "q" | "k" | "kCache" | "vCache"): Uint16Array {
    const bits = new Uint16Array(this.#written[name].bytes / 2);
    this.#written[name].download(bits, this.stream);
    return bits;
  }

  #made(values: Uint16Array | Float32Array | Int32Array): CudaMemory {
    const memory = new CudaMemory(this.stream, values.byteLength);
    memory.upload(values, this.stream);
    this.#all.push(memory);
    if (values instanceof Uint16Array) this.#start.set(memory, values);
    return memory;
  }
}
