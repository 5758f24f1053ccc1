import type { FloatDtype } from "@qknorm/core";
import { bytesOf } from "./alignment.ts";
import { requireFields, requireSizes } from "./call-arguments.ts";

/** What a matrix-vector product is launched for. */
export interface GemvSize {
  /** K. */
  readonly inputs: number;
  /** N; with SwiGLU I, the gates. */
  readonly outputs: number;
  readonly weight: FloatDtype;
  /** Rows of x that a block serves. */
  readonly tokens: number;
  readonly swiglu: boolean;
  /** On the tensor cores. */
  readonly tensor: boolean;
  readonly multiprocessors: number;
}

/** How gemv.cu is specialised and launched. */
export interface GemvGeometry {
  /** On the tensor cores. */
  readonly tensor: boolean;
  /** Rows of the weight that a group of warps has at once. */
  readonly rows: number;
  /** Warps of a group. It decides the order of additions, and follows from K and the weight's rows alone. */
  readonly split: number;
  /** Of a block. */
  readonly warps: number;
  /** Chunks of a row that a lane has under way. */
  readonly depth: number;
  readonly tiles: number;
  readonly blocks: number;
}

const chunk = 8;
/** Loads of 16 bytes that a lane has under way at most. */
const loads = 16;
/** Warps of a multiprocessor that keep its memory busy with so many loads. */
const busyWarps = 16;

export function gemvGeometry(size: GemvSize): GemvGeometry {
  requireFields(size, "the size of a product");
  requireSizes({ inputs: size.inputs, outputs: size.outputs });
  return size.tensor ? tensorGeometry(size) : plainGeometry(size);
}

/** Lanes of a row, and rows that a warp reads side by side. */
const tensorLanes = 4;
const tensorRows = 8;

/** One tile of 16 rows for each group, of 8 where multiprocessors would have none; groups so wide that all warps are busy. */
function tensorGeometry({ inputs, outputs, swiglu, multiprocessors }: GemvSize): GemvGeometry {
  const chunks = Math.ceil(inputs / chunk);
  const rowsOfOutput = swiglu ? 2 : 1;
  const rows = (outputs * rowsOfOutput) / (2 * tensorRows) < multiprocessors ? tensorRows : 2 * tensorRows;
  const tiles = Math.ceil((outputs * rowsOfOutput) / rows);
  const laneRows = rows / tensorRows;
  const wanted = busyWarps / Math.min(4, Math.max(1, tiles / multiprocessors));
  // Each warp has at least 8 loads.
  const most = (chunks / tensorLanes) * (laneRows / 8);
  const split = [8, 4, 2].find((count) => count / 1.4 <= wanted && count <= most) ?? 1;
  const warps = split;
  const steps = Math.ceil(chunks / (tensorLanes * split));
  const depth = evenDepth(steps, loads / laneRows);
  const blocks = Math.min(tiles, multiprocessors * Math.max(1, Math.floor(busyWarps / warps)));
  return { tensor: true, rows, split, warps, depth, tiles, blocks };
}

/** Of the weight, for each multiprocessor: more streams through blocks of few loads each, as many as there is room for. */
const streamedBytes = 128 << 10;
const streamedLoads = 8;
const streamedBlocks = 8;

/**
 * The geometry whose fullest multiprocessor has least to read; among equals the one with most loads under way. Large weights:
 * so many warps that each needs few loads, in blocks that come and go.
 */
function plainGeometry(size: GemvSize): GemvGeometry {
  const { inputs, outputs, weight, tokens, swiglu, multiprocessors } = size;
  const chunks = Math.ceil(inputs / chunk);
  const rowsOfOutput = swiglu ? 2 : 1;
  const split = splitOf(outputs * rowsOfOutput, chunks, multiprocessors);
  const warps = Math.max(4, split);
  const steps = Math.ceil(chunks / (32 * split));
  const streamed = outputs * rowsOfOutput * inputs * bytesOf(weight) > multiprocessors * streamedBytes;
  const ahead = ((streamed ? streamedLoads : loads) * 2) / bytesOf(weight) / (tokens > 2 ? 2 : 1);
  const candidates = [1, 2, 3, 4, 6].flatMap((rows) => {
    const outputsOfGroup = rows / rowsOfOutput;
    if (!Number.isInteger(outputsOfGroup) || rows * tokens > 32) return [];
    const depth = evenDepth(steps, Math.max(1, ahead / rows));
    const outputsOfTile = (warps / split) * outputsOfGroup;
    const tiles = Math.ceil(outputs / outputsOfTile);
    if (streamed) {
      const resident = multiprocessors * streamedBlocks;
      const blocks = tiles > 4 * resident ? resident : tiles;
      const most = rows === 4 && tiles >= resident ? 0 : Math.max(1, resident / tiles);
      return [
        { most, loads: rows * depth, geometry: { tensor: false, rows, split, warps, depth, tiles, blocks } },
      ];
    }
    const blocks = Math.min(tiles, multiprocessors * 3);
    const most = Math.ceil(tiles / blocks) * Math.ceil(blocks / multiprocessors) * outputsOfTile;
    return [
      { most, loads: rows * depth, geometry: { tensor: false, rows, split, warps, depth, tiles, blocks } },
    ];
  });
  candidates.sort((a, b) => a.most - b.most || b.loads - a.loads);
  return (candidates[0] as (typeof candidates)[number]).geometry;
}

/** The largest depth up to `most` that cuts the steps into equal parts, or nearly so. */
function evenDepth(steps: number, most: number): number {
  return Math.ceil(steps / Math.ceil(steps / Math.floor(most)));
}

/** Chunks of a row that a lane adds up, one after the other: a longer chain is what a product waits for at its end. */
const mostOfLane = 6;

/** Few rows, and long ones, are shared by several warps, so that all multiprocessors have something to read. */
function splitOf(rows: number, chunks: number, multiprocessors: number): number {
  const wanted = 0.9 * 16 * multiprocessors;
  for (const split of [1, 2, 4]) {
    const enough = rows * split >= wanted && chunks <= 32 * split * mostOfLane;
    if (enough || 64 * split > chunks) return split;
  }
  return 8;
}
