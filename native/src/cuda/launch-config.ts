import { readFileSync } from "node:fs";
import { QkNormError } from "@qknorm/core";
import { packageFile } from "../home.ts";

/** How qk_norm.cu is launched; it never changes a bit of the result. The kernel's opening comment names the fields. */
export interface LaunchConfig {
  readonly lanes: number;
  readonly rows: number;
  readonly block: number;
  readonly trigger: 0 | 1 | 2 | 3 | 4 | 5;
  readonly loop: 0 | 1 | 2 | 3;
  /** Blocks per multiprocessor of a persistent grid (`loop` > 0). */
  readonly waves: number;
  /** 2, of the chain alone: and the angles of the positions that are there before the wait. */
  readonly prefetch: 0 | 1 | 2;
  readonly radix: 2 | 4;
  /** Of the chain, 0 where it is left out: 1 reads angles when rows turn, and keeps little in registers. */
  readonly late?: 0 | 1;
  /** Of the chain, 1 where it is left out: blocks that a multiprocessor's registers have to hold. */
  readonly resident?: number;
}

/** A range of work in a table of native/kernels/launch_table.json. */
interface TableEntry extends Omit<LaunchConfig, "lanes"> {
  readonly chunksBelow: number | null;
  readonly chunksPerLane: number;
}

/** What gpu/tuning/derive_table.py made of the measurements on one kind of device. */
interface Table {
  /** What the names of such devices begin with. */
  readonly device: string;
  readonly ranges: readonly TableEntry[];
}

/** The configuration for work of fewer than `chunksBelow` chunks of 8 elements. */
export interface ConfigRange {
  readonly chunksBelow: number;
  readonly config: LaunchConfig;
}

/** Elements that a lane loads, stores and adds together (elements.cuh). */
const chunk = 8;
/** 16-byte vectors that fit a lane's registers, over its rows and those it prefetches. */
const mostVectors = 8;

/** The launch tables of `native/kernels`: of QK norm, and of the chain. */
export type LaunchTable = "launch_table" | "qk_norm_rope_table";

const known = new Map<LaunchTable, readonly Table[]>();

function tables(name: LaunchTable): readonly Table[] {
  let read = known.get(name);
  if (read === undefined) {
    read = JSON.parse(readFileSync(packageFile("kernels", `${name}.json`), "utf8"))
      .tables as readonly Table[];
    known.set(name, read);
  }
  return read;
}

/** What the names of the devices begin with that have a launch table of their own. */
export function tunedDevices(): string[] {
  return tables("launch_table").map(({ device }) => device);
}

/** What the launch table of a device says for a head dim, smallest work first; a device without one takes the first. */
export function configRanges(
  headDim: number,
  elementBytes: number,
  deviceName: string,
  name: LaunchTable = "launch_table",
): ConfigRange[] {
  const all = tables(name);
  const table = all.find(({ device }) => deviceName.startsWith(device)) ?? (all[0] as Table);
  const chunks = headDim / chunk;
  const full = mostLanes(chunks);
  return table.ranges.map((entry) => {
    // Several chunks per lane are asked for; a row that needs as many anyway keeps its lanes.
    const lanes = Math.max(1, Math.min(full, Math.floor(leavesOf(chunks) / entry.chunksPerLane)));
    const vectors = (Math.ceil(chunks / lanes) * elementBytes) / 2;
    const loop = vectors * 2 <= mostVectors ? entry.loop : (Math.min(1, entry.loop) as 0 | 1);
    const rows = Math.max(
      1,
      Math.min(entry.rows, Math.floor(mostVectors / (vectors * (loop === 2 ? 2 : 1)))),
    );
    const { chunksBelow, chunksPerLane, resident = 1, ...rest } = entry;
    // Rows that fill more registers than those that were measured leave room for fewer blocks.
    const fit = Math.min(1, (chunksPerLane * entry.rows) / (vectors * rows));
    return {
      chunksBelow: chunksBelow ?? Number.POSITIVE_INFINITY,
      config: {
        ...rest,
        lanes,
        rows,
        loop,
        ...(resident > 1 && { resident: Math.max(1, Math.floor(resident * fit)) }),
      },
    };
  });
}

/** The number of the range that a launch falls into. */
export function rangeOf(
  ranges: readonly ConfigRange[],
  headDim: number,
  heads: number,
  tokens: number,
): number {
  const work = (tokens * heads * headDim) / chunk;
  let range = 0;
  while (work >= (ranges[range] as ConfigRange).chunksBelow) range++;
  return range;
}

/** The grid, and how it is cut into slices of tokens: the fields of the kernel's `Args` of these names. */
export interface LaunchShape {
  readonly blocks: number;
  readonly slices: number;
  readonly trips: number;
}

/** Throws `ERR_QKNORM_SHAPE` for more threads than the kernel's 32 bits count. */
export function launchShape(
  config: LaunchConfig,
  heads: number,
  tokens: number,
  multiprocessors: number,
): LaunchShape {
  const { lanes, rows, block } = config;
  let slices = Math.ceil(tokens / rows);
  let blocks = Math.ceil((slices * heads * lanes) / block);
  if (config.loop > 0) {
    blocks = Math.min(blocks, config.waves * multiprocessors);
    slices = Math.min(slices, Math.max(1, Math.floor(Math.floor((blocks * block) / lanes) / heads)));
    blocks = Math.ceil((slices * heads * lanes) / block);
  }
  if (blocks * block >= 2 ** 32 || (blocks * block) / lanes >= 2 ** 31 || tokens >= 2 ** 31) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `${tokens} tokens of ${heads} heads are too many for one launch`,
    );
  }
  return { blocks, slices, trips: Math.ceil(tokens / (slices * rows)) };
}

/** `[multiplier, shift]` with `floor(n / divisor) == n * multiplier >> shift` for every n below 2^31. */
export function divider(divisor: number): readonly [number, number] {
  const shift = 31 + Math.ceil(Math.log2(divisor));
  return [Number(((1n << BigInt(shift)) + BigInt(divisor) - 1n) / BigInt(divisor)), shift];
}

/** The chunks of a row, rounded up to a power of two: the most lanes that fit, and the leaves of the sums' tree. */
function leavesOf(chunks: number): number {
  return 2 ** Math.ceil(Math.log2(chunks));
}

/** Lanes of a row at one chunk per lane; fewer where more than a fifth of them would idle. */
function mostLanes(chunks: number): number {
  const leaves = leavesOf(chunks);
  if (chunks === leaves) return Math.min(32, leaves);
  let lanes = Math.max(1, leaves / 2);
  while (lanes > 32 || (lanes > 1 && chunks < 0.8 * lanes * Math.ceil(chunks / lanes))) lanes /= 2;
  return lanes;
}
