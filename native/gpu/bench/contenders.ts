import {
  CudaKernels,
  type CudaNormForm,
  CudaQkNorm,
  CudaRowNorm,
  type CudaStream,
  cudaDevice,
  type Jit,
  kernelSource,
  type LaunchConfig,
} from "../../src/index.ts";
import { Program } from "../program.ts";
import type { Buffers } from "./buffers.ts";
import { bytesPerElement, type Dtype, type GridRow, type RowKind } from "./rows.ts";

const eps = 1e-6;

export type ContenderName = "fused" | "seedDesign" | "mid2026Design" | "twoNorms" | "deviceCopy";

/** Queues one launch over one set. */
export type LaunchSet = (index: number) => void;

/** The kernel and what it is compared with, on the sets of a row. RMS norm with weights, in place. */
export class Contenders {
  readonly #stream: CudaStream;
  readonly #buffers: Buffers;
  readonly #jit: Jit;
  readonly #kernels: CudaKernels;
  readonly #multiprocessors: number;
  readonly #baselines = new Map<string, Program>();

  constructor(stream: CudaStream, buffers: Buffers, jit: Jit) {
    this.#stream = stream;
    this.#buffers = buffers;
    this.#jit = jit;
    const device = cudaDevice(stream.device);
    this.#kernels = new CudaKernels(device, jit);
    this.#multiprocessors = device.multiprocessors;
  }

  /**
   * Compiles what the fused kernel, by the launch table or in these configurations, and the two norms may need for a
   * format, off the main thread.
   */
  async warmUp(headDim: number, dtype: Dtype, configs?: readonly LaunchConfig[]): Promise<void> {
    const form = formOf(headDim, dtype);
    const { device } = this.#kernels;
    const fused = CudaQkNorm.requests(form, device, configs);
    await this.#kernels.warmUp([...fused, ...CudaRowNorm.requests(form, device.arch)]);
  }

  /** Who takes part: the baselines' design moves whole words per lane, so their head dims are multiples of 64. */
  namesFor(headDim: number): ContenderName[] {
    const baselines = headDim % 64 === 0 && headDim <= 256 ? (["seedDesign", "mid2026Design"] as const) : [];
    return ["fused", ...baselines, "twoNorms", "deviceCopy"];
  }

  prepare(name: ContenderName, kind: RowKind, row: GridRow): LaunchSet {
    return {
      fused: () => this.#fused(kind, row),
      seedDesign: () => this.#seed(kind, row, 0),
      mid2026Design: () => this.#seed(kind, row, 1),
      twoNorms: () => this.#twoNorms(kind, row),
      deviceCopy: () => this.#copy(kind, row),
    }[name]();
  }

  /** The fused kernel in a configuration of its own, in place of the launch table's. */
  prepareConfig(config: LaunchConfig, kind: RowKind, row: GridRow): LaunchSet {
    return this.#fused(kind, row, { config });
  }

  #fused(kind: RowKind, row: GridRow, choice: { readonly config?: LaunchConfig } = {}): LaunchSet {
    const { q, k } = this.#sides(kind, row);
    const { pool, weights, weightRow } = this.#buffers;
    const launch = new CudaQkNorm(this.#kernels, { form: formOf(kind.headDim, kind.dtype), q, k, ...choice })
      .tokens(row.tokens)
      .bind("qWeight", weights)
      .bind("kWeight", weights, weightRow);
    return (index) => {
      const place = this.#place(kind, row, index);
      launch.bind("qInput", pool, place.q).bind("kInput", pool, place.k).run(this.#stream);
    };
  }

  #twoNorms(kind: RowKind, row: GridRow): LaunchSet {
    const sides = this.#sides(kind, row);
    const form = formOf(kind.headDim, kind.dtype);
    const { pool, weights, weightRow } = this.#buffers;
    const [q, k] = [sides.q, sides.k].map((x, side) =>
      new CudaRowNorm(this.#kernels, { form, x })
        .tokens(row.tokens)
        .bind("weight", weights, side * weightRow),
    ) as [CudaRowNorm, CudaRowNorm];
    return (index) => {
      const place = this.#place(kind, row, index);
      q.bind("input", pool, place.q).run(this.#stream);
      k.bind("input", pool, place.k).run(this.#stream);
    };
  }

  /** seed_design.cu with its own rule for the grid. */
  #seed(kind: RowKind, row: GridRow, early: 0 | 1): LaunchSet {
    const { gqa, kvHeads, tokens } = row;
    const program = this.#baseline(kind, early);
    const { pool, weights, weightRow } = this.#buffers;
    const rows = tokens * (gqa + 1) * kvHeads;
    const blocks = Math.min(this.#multiprocessors * program.kernel.occupancy(128), Math.ceil(rows / 4));
    const place = this.#place(kind, row, 0);
    const launch = program.launch(
      [
        { memory: pool },
        { memory: pool },
        { memory: weights },
        { memory: weights, offset: weightRow },
        place.qTokenStride / bytesPerElement,
        place.kTokenStride / bytesPerElement,
        ...[gqa * kvHeads, kvHeads, eps, tokens],
      ],
      blocks,
      128,
    );
    return (index) => {
      const { q, k } = this.#place(kind, row, index);
      launch
        .address(0, 0, pool, q, pool.bytes - q)
        .address(1, 8, pool, k, pool.bytes - k)
        .run(this.#stream);
    };
  }

  #copy(kind: RowKind, row: GridRow): LaunchSet {
    const { pool } = this.#buffers;
    return (index) => {
      const { from, to, bytes } = this.#buffers.copyPlace(kind.headDim, row, index);
      pool.copyFrom(pool, this.#stream, { offset: to, fromOffset: from, bytes });
    };
  }

  #baseline({ headDim, dtype }: RowKind, early: 0 | 1): Program {
    const macros = { QK_HEAD_DIM: headDim, QK_DTYPE: { bf16: 1, f16: 2 }[dtype], QK_WEIGHT_EARLY: early };
    const key = JSON.stringify(macros);
    let program = this.#baselines.get(key);
    if (program === undefined) {
      const four = ["address", "address", "address", "address"] as const;
      const parameters = [...four, "i64", "i64", "u32", "u32", "f32", "u32"] as const;
      program = new Program(this.#jit, kernelSource("seed_design"), "seed_design", parameters, { macros });
      this.#baselines.set(key, program);
    }
    return program;
  }

  #place(kind: RowKind, row: GridRow, index: number) {
    return this.#buffers.place(kind.headDim, kind.layout, row, index);
  }

  #sides(kind: RowKind, row: GridRow) {
    const { qTokenStride, kTokenStride } = this.#place(kind, row, 0);
    const headStride = kind.headDim * bytesPerElement;
    const { gqa, kvHeads } = row;
    return {
      q: { heads: gqa * kvHeads, eps, tokenStride: qTokenStride, headStride },
      k: { heads: kvHeads, eps, tokenStride: kTokenStride, headStride },
    };
  }
}

function formOf(headDim: number, dtype: Dtype): CudaNormForm {
  return {
    headDim,
    dtype,
    kind: "rms",
    weight: dtype,
    bias: null,
    weightOffset: 0,
    rounding: "once",
    inPlace: true,
    alignment: 16,
    weightAlignment: 16,
  };
}
