import { QkNormError } from "@qknorm/core";
import type { CudaAttentionForm, CudaAttentionShape } from "./attention-form.ts";
import type { CudaDevice } from "./device.ts";

/** One kernel of an attention call. */
export interface AttentionLaunch {
  readonly kernel: "attention" | "attention_decode" | "attention_join" | "attention_prefill";
  readonly macros: Readonly<Record<string, number>>;
  readonly grid: number;
  readonly threads: number;
  readonly sharedBytes: number;
  /** Of a key/value head of a sequence. */
  readonly blocks: number;
}

/** How a call is cut: its launches in order, and the memory that they share. */
export interface AttentionPlan {
  readonly launches: readonly AttentionLaunch[];
  /** The most of a key/value head, and the fewest keys of one. */
  readonly pieces: number;
  readonly leastKeys: number;
  readonly workspaceBytes: number;
}

/** What may be chosen for a kind of device; a sequence's bits depend on it. */
export interface AttentionTuning {
  /** The most blocks of a cluster that adds up the pieces of a tile; 0: a launch of its own does always. */
  readonly mostCluster: number;
  /** The fewest keys of a piece, a multiple of 32. */
  readonly leastKeys: number;
}

const joinThreads = 128;
export const attentionTuning: AttentionTuning = { mostCluster: 16, leastKeys: 64 };
const mostPieces = 32;
const mostHeadDim = 512;
const mostBlocks = 2 ** 31;
/** A sequence of so many rows is worth the tensor cores' tiles. */
const tensorRows = 33;
/** QK_STAGE of attention.cu: the launches of each rounding. */
const stages = { once: [0], hf: [1, 3], hfWithSinks: [1, 2, 3] } as const;

/**
 * What is launched for a form and a shape. Nothing that a sequence's bits depend on depends on the rest of the batch.
 *
 * Throws `ERR_QKNORM_SHAPE` for a head dim above 512 and for more rows than a launch has blocks.
 */
export function planAttention(
  form: CudaAttentionForm,
  shape: CudaAttentionShape,
  { arch, multiprocessors }: Pick<CudaDevice, "arch" | "multiprocessors">,
  tuning: AttentionTuning = attentionTuning,
): AttentionPlan {
  const { headDim } = form;
  const { leastKeys } = tuning;
  if (!Number.isInteger(headDim) || headDim < 1 || headDim > mostHeadDim) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `attention on a device has head dims from 1 to ${mostHeadDim}, got ${headDim}`,
    );
  }
  const { kvHeads, queryHeads, mostQueries, capacity } = shape;
  const group = queryHeads / kvHeads;
  const fits = fitsTensorCores(form, arch);
  const withTensorCores = fits && mostQueries * group >= tensorRows;
  const few = withTensorCores ? Math.floor((tensorRows - 1) / group) : mostQueries;
  const parted = withTensorCores && (!form.paged || few === 0) ? null : Math.min(few, mostQueries);
  const most = Math.min(mostPieces, Math.ceil(capacity / leastKeys), multiprocessors / kvHeads);
  const pieces = Math.max(1, Math.floor(most));
  const tensor = { QK_TENSOR_ROWS: withTensorCores ? tensorRows : 0 };
  const direct = fits && headDim % 64 === 0;
  const cluster = direct ? clusterOf(form, shape, { arch, multiprocessors }, pieces, tuning) : 0;
  const resident = direct ? multiprocessors * residentBlocks(form) : mostBlocks;
  const cut = {
    pieces,
    cluster,
    resident,
    warps: direct ? 4 : 8,
    kernel: direct ? "attention_decode" : "attention",
    macros: direct ? { ...tensor, QK_RESIDENT: residentBlocks(form) } : tensor,
  } as const;
  const plan =
    parted === null
      ? { launches: [], workspaceBytes: 0 }
      : planPieces(form, { ...shape, mostQueries: parted }, cut);
  const launches = [...plan.launches, ...(withTensorCores ? [planPrefill(form, shape, tensor)] : [])];
  if (launches.some(({ grid }) => grid >= mostBlocks)) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${shape.tokens} tokens are too many for one launch`);
  }
  return { launches, pieces, leastKeys, workspaceBytes: plan.workspaceBytes };
}

/** Blocks of attention_decode.cu whose registers a multiprocessor has room for; each goes over several pieces. */
function residentBlocks({ headDim, paged }: CudaAttentionForm): number {
  if (headDim > 128) return 1;
  return paged ? 2 : 3;
}

/**
 * Blocks of a cluster that adds up the pieces of a tile; 0: none, and a launch of its own does, to the same bits. A cluster's last
 * block does it alone, which pays for few rows, and empty blocks take room, which a large batch needs.
 */
function clusterOf(
  form: CudaAttentionForm,
  { batch, kvHeads, queryHeads, mostQueries }: CudaAttentionShape,
  { arch, multiprocessors }: Pick<CudaDevice, "arch" | "multiprocessors">,
  pieces: number,
  { mostCluster }: AttentionTuning,
): number {
  const fewRows = mostQueries * (queryHeads / kvHeads) <= 2;
  const atOnce = batch * kvHeads * pieces <= 2 * multiprocessors;
  const powerOfTwo = pieces > 1 && Number.isInteger(Math.log2(pieces));
  const possible = capabilityOf(arch) >= 90 && form.headDim <= 128 && form.rounding === "once";
  return possible && fewRows && atOnce && powerOfTwo && pieces <= mostCluster ? pieces : 0;
}

interface PieceCut extends Pick<AttentionLaunch, "kernel" | "macros"> {
  readonly pieces: number;
  readonly cluster: number;
  readonly warps: number;
  /** The most blocks of a launch without clusters. */
  readonly resident: number;
}

/** The kernel of pieces, and attention_join.cu where a row may have several that no cluster adds up. */
function planPieces(
  form: CudaAttentionForm,
  { batch, kvHeads, queryHeads, mostQueries, tokens }: CudaAttentionShape,
  { pieces, cluster, warps, resident, kernel, macros }: PieceCut,
): Pick<AttentionPlan, "launches" | "workspaceBytes"> {
  const { headDim } = form;
  const sequenceRows = mostQueries * (queryHeads / kvHeads);
  const rows = Math.min(headDim > 256 ? 4 : 8, 2 ** Math.ceil(Math.log2(sequenceRows)));
  const tiles = Math.ceil(sequenceRows / rows);
  const blocks = cluster > 0 ? tiles : blocksOf(pieces, tiles);
  const all = batch * kvHeads * blocks;
  const joins = cluster === 0 && (form.paged ? pieces > 1 : pieces >= 2 * tiles);
  const slots = batch * kvHeads * pieces * rows;
  const states = form.rounding === "hf" ? tokens * queryHeads : 0;
  const rounding = form.rounding === "hf" && form.sinks !== null ? "hfWithSinks" : form.rounding;
  const join: AttentionLaunch = {
    kernel: "attention_join",
    macros: { ...macros, QK_ROWS: rows, QK_THREADS: joinThreads },
    ...{ grid: tokens * queryHeads, threads: joinThreads, sharedBytes: 0, blocks },
  };
  return {
    launches: [
      ...stages[rounding].map((stage) => ({
        kernel,
        macros: { ...macros, QK_ROWS: rows, QK_STAGE: stage, QK_WARPS: warps, QK_CLUSTER: cluster },
        grid: cluster > 0 ? all * cluster : Math.min(all, resident),
        threads: warps * 32,
        sharedBytes: cluster * rows * (headDim + 2) * 4,
        blocks,
      })),
      ...(joins ? [join] : []),
    ],
    workspaceBytes: joins || states > 0 ? 4 * (slots * (headDim + 2) + 2 * states) : 0,
  };
}

/** Blocks of a sequence and a key/value head: a sequence's tile `t` shares the pieces with `t` tiles at least. */
function blocksOf(pieces: number, tiles: number): number {
  const shared = Math.min(tiles, pieces);
  let blocks = tiles - shared;
  for (let tile = 0; tile < shared; tile++) blocks += Math.max(1, Math.floor(pieces / (tile + 1)));
  return blocks;
}

/** 90 of `sm_90a`. */
function capabilityOf(arch: string): number {
  return Number.parseInt(arch.slice("sm_".length), 10);
}

/** Whether the tensor cores take a form as it lies. */
function fitsTensorCores(form: CudaAttentionForm, arch: string): boolean {
  const { dtype, cacheDtype, headDim, alignment, cacheAlignment } = form;
  return (
    capabilityOf(arch) >= 80 &&
    dtype !== "f32" &&
    cacheDtype === dtype &&
    headDim % 8 === 0 &&
    headDim <= 256 &&
    Math.min(alignment, cacheAlignment) === 16
  );
}

/** attention_prefill.cu: tiles of 128 rows. The wider a head, the fewer rows of it fit a warp's registers. */
function planPrefill(
  { headDim }: CudaAttentionForm,
  { batch, kvHeads, queryHeads, mostQueries }: CudaAttentionShape,
  tensor: Readonly<Record<string, number>>,
): AttentionLaunch {
  const [prefillWarps, warpTiles, keys] = headDim > 128 ? [8, 1, 32] : [4, 2, 64];
  const rows = prefillWarps * warpTiles * 16;
  const blocks = Math.ceil((mostQueries * (queryHeads / kvHeads)) / rows);
  const rowBytes = Math.ceil(headDim / 64) * 128;
  return {
    kernel: "attention_prefill",
    macros: {
      ...{ ...tensor, QK_ROWS: rows, QK_WARPS: prefillWarps },
      ...{ QK_WARP_TILES: warpTiles, QK_KEYS: keys },
    },
    grid: batch * kvHeads * blocks,
    threads: prefillWarps * 32,
    sharedBytes: (rows + 4 * keys) * rowBytes,
    blocks,
  };
}
