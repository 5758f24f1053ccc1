import {
  type ByteRange,
  CudaGemv,
  CudaKernels,
  CudaMemory,
  CudaProduct,
  CudaStream,
  cudaDevice,
  type GemvForm,
  type GemvGeometry,
  gemvGeometry,
  gemvNorms,
  Jit,
  mostGemvTokens,
} from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import type { LayerSizes, ProductSize } from "./linear-sizes.ts";
import { Timer } from "./timer.ts";

const width = 2; // of bf16
/** Weights of one graph, several times the L2: each launch finds its own in memory. */
const graphBytes = 600e6;

/** Products in bf16 over random weights that no cache holds. */
export class LinearBench {
  readonly #stream = new CudaStream(0);
  readonly #jit = new Jit({ folder: null, seeds: [] });
  readonly #kernels = new CudaKernels(cudaDevice(0), this.#jit);
  readonly #timer = new Timer(this.#stream, this.#jit);
  readonly #weights: CudaMemory;
  readonly #x: CudaMemory;
  readonly #y: CudaMemory;

  /** Bytes of all weights, of x and of y. */
  constructor({ weights = 16e9, x = 2 ** 28, y = 2 ** 31 } = {}) {
    this.#weights = new CudaMemory(this.#stream, weights);
    this.#x = new CudaMemory(this.#stream, x);
    this.#y = new CudaMemory(this.#stream, y);
    const source = programSource(new URL("./data.cu", import.meta.url));
    const fill = new Program(this.#jit, source, "fill_random", ["address", "u64", "u32"], {
      macros: { QK_DTYPE: 1 },
    });
    for (const memory of [this.#weights, this.#x, this.#y]) {
      fill.launch([{ memory }, Math.floor(memory.bytes / 4), 1], 132 * 16, 256).run(this.#stream);
    }
    this.#stream.synchronize();
  }

  /** Microseconds a launch, weights cold: the fused product where it serves so many rows, and cuBLASLt. */
  product(size: ProductSize, rows: number): Record<string, number> {
    const launches = launchesOf(size);
    const timed = [];
    if (rows <= mostGemvTokens) {
      const bare = this.#gemv({ ...size, norm: false, swiglu: false, residual: false }, rows, true);
      timed.push({ name: "gemv", launches, queue: () => this.#each(size, rows, launches, bare) });
    }
    if (
      rows <= mostGemvTokens &&
      (size.norm || size.residual || size.swiglu) &&
      gemvNorms(rows, size.inputs, "bf16")
    ) {
      const fused = this.#gemv(size, rows, true);
      timed.push({ name: "fused", launches, queue: () => this.#each(size, rows, launches, fused) });
    }
    const product = this.#product(size, rows);
    timed.push({
      name: "cuBLASLt",
      launches,
      queue: () => this.#each(size, rows, launches, (weight) => this.#multiply(product, size, rows, weight)),
    });
    for (const { queue } of timed) queue(); // compiles, and loads what the library loads late
    this.#stream.synchronize();
    const us = this.#timer.measure(timed);
    product.free();
    return us;
  }

  /** Microseconds a layer of the four products of each layer in turn, each reading what the last one wrote, one token. */
  layer(model: LayerSizes, way: "settled" | "unsettled" | "products"): number {
    const runs = model.products.map((size) => {
      if (way !== "products") return this.#gemv(size, 1, way === "settled");
      const product = this.#product(size, 1);
      return (weight: ByteRange) => this.#multiply(product, size, 1, weight);
    });
    const queue = () => {
      let at = 0;
      for (let i = 0; i < model.layers; i++) {
        for (const [which, size] of model.products.entries()) {
          const length = size.outputs * size.inputs * width;
          if (at + length > this.#weights.bytes) at = 0;
          (runs[which] as (weight: ByteRange) => void)({ memory: this.#weights, offset: at, length });
          at += length;
        }
      }
    };
    queue();
    this.#stream.synchronize();
    const name = `${model.name} ${way}`;
    return this.#timer.measure([{ name, launches: model.layers, queue }])[name] as number;
  }

  /** Microseconds of every geometry for one token, fused as the size says and settled. */
  sweep(size: ProductSize, seconds: number): { us: number; text: string; isDefault: boolean }[] {
    const launches = launchesOf(size);
    const outputs = size.swiglu ? size.outputs / 2 : size.outputs;
    const { multiprocessors } = cudaDevice(0);
    const base = gemvGeometry({
      ...{ inputs: size.inputs, outputs, weight: "bf16", tokens: 1 },
      ...{ swiglu: size.swiglu, tensor: false, multiprocessors },
    } as const);
    const timed = [];
    const began = Date.now();
    for (const geometry of geometries(size, outputs, multiprocessors)) {
      if (Date.now() - began > 500 * seconds) break;
      const text = JSON.stringify(geometry);
      const run = this.#gemv(size, 1, true, geometry);
      const queue = () => this.#each(size, 1, launches, run);
      queue();
      timed.push({ name: text, launches, queue });
    }
    this.#stream.synchronize();
    const found = [];
    for (let first = 0; first < timed.length && Date.now() - began < 1000 * seconds; first += 24) {
      for (const [text, us] of Object.entries(this.#timer.measure(timed.slice(first, first + 24)))) {
        found.push({ us, text, isDefault: text === JSON.stringify(base) });
      }
    }
    return found;
  }

  #each(size: ProductSize, _rows: number, launches: number, run: (weight: ByteRange) => void): void {
    const length = size.outputs * size.inputs * width;
    for (let i = 0; i < launches; i++) {
      run({ memory: this.#weights, offset: (i * length) % Math.floor(this.#weights.bytes - length), length });
    }
  }

  #gemv(
    size: ProductSize,
    rows: number,
    settled: boolean,
    geometry?: GemvGeometry,
  ): (weight: ByteRange) => void {
    const outputs = size.swiglu ? size.outputs / 2 : size.outputs;
    const form: GemvForm = {
      ...{ dtype: "bf16", weight: "bf16", bias: null, residual: size.residual, settled },
      norm: size.norm ? { kind: "rms", eps: 1e-6, weight: "bf16", weightOffset: 0, rounding: "hf" } : null,
      swiglu: size.swiglu ? "hf" : null,
      ...{ rows, inputs: size.inputs, outputs },
      ...{ xStride: size.inputs * width, weightStride: size.inputs * width },
      ...{ residualStride: outputs * width, yStride: outputs * width },
      ...{ xAlignment: 16, weightAlignment: 16, normAlignment: 16 },
      ...(geometry && { geometry }),
    };
    const gemv = new CudaGemv(this.#kernels, form);
    return (weight) =>
      gemv.run(this.#stream, {
        ...{ x: this.#range(this.#x, rows * size.inputs), weight, y: this.#range(this.#y, rows * outputs) },
        normWeight: { memory: this.#x, offset: this.#x.bytes / 2, length: size.inputs * width },
        residual: { memory: this.#x, offset: 0, length: rows * outputs * width },
      });
  }

  #product(size: ProductSize, rows: number): CudaProduct {
    const { inputs, outputs } = size;
    return new CudaProduct(0, {
      ...{ dtype: "bf16", rows, outputs, inputs, bias: false, alignment: 16 },
      ...{ xStride: inputs, weightStride: inputs, outStride: outputs, addedStride: null },
    });
  }

  #multiply(product: CudaProduct, size: ProductSize, rows: number, weight: ByteRange): void {
    const [x, out] = [this.#range(this.#x, rows * size.inputs), this.#range(this.#y, rows * size.outputs)];
    product.run(this.#stream, { x, weight, out });
  }

  #range(memory: CudaMemory, elements: number): ByteRange {
    return { memory, offset: 0, length: elements * width };
  }
}

function launchesOf(size: ProductSize): number {
  return Math.max(4, Math.min(60, Math.ceil(graphBytes / (size.outputs * size.inputs * width))));
}

function* geometries(size: ProductSize, outputs: number, multiprocessors: number): Generator<GemvGeometry> {
  const chunks = Math.ceil(size.inputs / 8);
  for (const tensor of [true, false]) {
    for (const split of tensor ? [1, 2, 4, 8] : [1, 2]) {
      for (const warps of [...new Set([split, Math.max(split, 4), 8])]) {
        const steps = Math.ceil(chunks / ((tensor ? 4 : 32) * split));
        for (const rows of tensor ? [8, 16, 32] : [2, 4, 8]) {
          for (const depth of [2, 4, 8, 12, 16]) {
            const loads = depth * (tensor ? rows / 8 : rows);
            if (depth > steps || steps % depth !== 0 || loads > 24 || loads < 8) continue;
            const tiles = Math.ceil(outputs / ((warps / split) * (size.swiglu ? rows / 2 : rows)));
            const some = [1, 2, 3, 4, 6, 8].map((perSm) => Math.min(tiles, perSm * multiprocessors));
            for (const blocks of new Set(some)) {
              const perSm = (blocks * warps) / multiprocessors;
              if (perSm <= 33 && perSm >= 4) yield { tensor, rows, split, warps, depth, tiles, blocks };
            }
          }
        }
      }
    }
  }
}
