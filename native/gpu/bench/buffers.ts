import { CudaMemory, type CudaStream, type Jit } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import { bytesPerElement, type Dtype, type GridRow, type Layout, rowBytes } from "./rows.ts";

/** Where q and k of one set lie in the pool, in bytes. */
export interface SetPlace {
  readonly q: number;
  readonly k: number;
  readonly qTokenStride: number;
  readonly kTokenStride: number;
}

/** So far apart do sets lie at least: together they are several times the L2. */
const spacing = 4 << 20;
export const coldSets = 64;

/** Memory that holds every set of q and k, and the weights of both; filled anew for each format. */
export class Buffers {
  readonly pool: CudaMemory;
  /** Row 0 for q, row 1 for k, of up to 1024 elements. */
  readonly weights: CudaMemory;
  readonly weightRow = 1024 * bytesPerElement;
  readonly #stream: CudaStream;
  readonly #jit: Jit;

  constructor(stream: CudaStream, jit: Jit, bytes: number) {
    this.#stream = stream;
    this.#jit = jit;
    this.pool = new CudaMemory(stream, bytes);
    this.weights = new CudaMemory(stream, 2 * this.weightRow);
  }

  /** Bytes of a pool that has `sets` sets of this row, packed or not. */
  static bytesFor(headDim: number, row: GridRow, sets: number): number {
    return sets * stepOf(headDim, row, "packed");
  }

  /** Random values of about one. */
  fill(dtype: Dtype): void {
    const QK_DTYPE = { bf16: 1, f16: 2 }[dtype];
    const source = programSource(new URL("./data.cu", import.meta.url));
    const fill = new Program(this.#jit, source, "fill_random", ["address", "u64", "u32"], {
      macros: { QK_DTYPE },
    });
    fill.launch([{ memory: this.pool }, Math.floor(this.pool.bytes / 4), 1], 132 * 16, 256).run(this.#stream);
    this.#stream.synchronize();
  }

  /** Weights of exactly 1 or -1, so that thousands of norms in place change nothing. */
  keepSize(dtype: Dtype): void {
    const one = { bf16: 0x3f80, f16: 0x3c00 }[dtype];
    const weights = Uint16Array.from({ length: 2048 }, (_, i) => one | (i % 3 === 0 ? 0x8000 : 0));
    this.weights.upload(weights, this.#stream);
  }

  /** Set `index` of a row. */
  place(headDim: number, layout: Layout, row: GridRow, index: number): SetPlace {
    const { gqa, kvHeads, tokens } = row;
    const start = index * stepOf(headDim, row, layout);
    const head = headDim * bytesPerElement;
    const qToken = gqa * kvHeads * head;
    if (layout === "packed") {
      const token = (gqa + 2) * kvHeads * head;
      return { q: start, k: start + qToken, qTokenStride: token, kTokenStride: token };
    }
    return { q: start, k: start + tokens * qToken, qTokenStride: qToken, kTokenStride: kvHeads * head };
  }

  /** Source and target of a copy of as many bytes as set `index` has. The largest rows have fewer sets for it. */
  copyPlace(headDim: number, row: GridRow, index: number): { from: number; to: number; bytes: number } {
    const bytes = rowBytes(headDim, row);
    const step = Math.ceil(bytes / spacing) * spacing;
    const half = Math.floor(this.pool.bytes / 2 / spacing) * spacing;
    const from = (index % Math.floor(half / step)) * step;
    return { from, to: half + from, bytes };
  }
}

/** Bytes from one set to the next. */
function stepOf(headDim: number, row: GridRow, layout: Layout): number {
  const heads = (row.gqa + (layout === "packed" ? 2 : 1)) * row.kvHeads;
  return Math.ceil((row.tokens * heads * headDim * bytesPerElement) / spacing) * spacing;
}
