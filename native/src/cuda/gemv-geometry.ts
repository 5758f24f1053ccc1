import type { FloatDtype } from "@qknorm/core";
import { bytesOf } from "./alignment.ts";

/** The most rows of x that a block serves; more are runs of so many. */
export const mostGemvTokens = 8;

/** What a matrix-vector product is launched for. */
export interface GemvSize {
  /** K. */
  readonly inputs: number;
  /** N; with SwiGLU I, the gates. */
  readonly outputs: number;
  readonly weight: FloatDtype;
  /** Rows of x that a block serves: 1 to `mostGemvTokens`. */
  readonly tokens: number;
  readonly swiglu: boolean;
  readonly multiprocessors: number;
}

/** How gemv.cu is specialised and launched. */
export interface GemvGeometry {
  /** Rows of the weight that a warp has at once. */
  readonly rows: number;
  /** Warps that share a row. It decides the order of additions, and follows from K and the weight's rows alone. */
  readonly split: number;
  /** Of a block. */
  readonly warps: number;
  /** Chunks of a row that a lane has under way. */
  readonly depth: number;
  readonly tiles: number;
  readonly blocks: number;
}

const chunk = 8;
const lanes = 32;
/** Loads of 16 bytes that a lane has under way, which with 12 warps of a multiprocessor keep its memory busy. */
const loads = 16;
const blocksPerMultiprocessor = 3;

/**
 * The geometry whose fullest multiprocessor has least to read; among equals the one with most rows for each reading of x.
 */
export function gemvGeometry(size: GemvSize): GemvGeometry {
  const { inputs, outputs, weight, tokens, swiglu, multiprocessors } = size;
  const chunks = Math.ceil(inputs / chunk);
  const split = splitOf(swiglu ? 2 * outputs : outputs, chunks, multiprocessors);
  const warps = Math.max(4, split);
  const steps = Math.ceil(chunks / (lanes * split));
  const loadsAhead = (loads * 2) / bytesOf(weight) / (tokens > 2 ? 2 : 1);
  let best: (GemvGeometry & { readonly most: number }) | undefined;
  for (const rows of [1, 2, 3, 4, 6]) {
    const outputsOfGroup = swiglu ? rows / 2 : rows;
    if (!Number.isInteger(outputsOfGroup) || rows * tokens > lanes) continue;
    const most = Math.max(1, Math.floor(Math.max(loadsAhead, rows) / rows));
    const depth = Math.ceil(steps / Math.ceil(steps / most));
    const outputsOfTile = (warps / split) * outputsOfGroup;
    const tiles = Math.ceil(outputs / outputsOfTile);
    const blocks = Math.min(tiles, multiprocessors * blocksPerMultiprocessor);
    const tilesOfMost = Math.ceil(tiles / blocks) * Math.ceil(blocks / multiprocessors);
    const candidate = { rows, split, warps, depth, tiles, blocks, most: tilesOfMost * outputsOfTile };
    if (best === undefined || candidate.most <= best.most) best = candidate;
  }
  return best as GemvGeometry;
}

/** Few rows are shared by several warps, so that all multiprocessors have something to read. */
function splitOf(rows: number, chunks: number, multiprocessors: number): number {
  const wanted = 0.9 * 8 * multiprocessors;
  for (const split of [1, 2, 4]) {
    if (rows * split >= wanted || lanes * split * 2 > chunks) return split;
  }
  return 8;
}
