import type { AttentionLaunch, CudaAttentionForm, CudaAttentionShape } from "./attention-form.ts";
import type { CudaDevice } from "./device.ts";

/** What may be chosen for a kind of device; a sequence's bits depend on it. */
export interface AttentionTuning {
  /** The most blocks of a cluster that adds up the pieces of a tile; 0: a launch of its own does always. */
  readonly mostCluster: number;
  /** The fewest keys of a piece, a multiple of 32. */
  readonly leastKeys: number;
  readonly ring: RingTuning;
}

/** Of attention_ring.cu. */
export interface RingTuning {
  /** Halves of a step, 16 keys or their values, that a warp asks for ahead; 2 to 4. */
  readonly units: number;
  /** Blocks that a multiprocessor has room for, with head dims up to 128. */
  readonly resident: number;
  /** The fewest keys of a piece of a paged sequence; one of so many or fewer has nothing to be added up. */
  readonly leastPagedKeys: number;
  /** The fewest keys of a piece of a view, and how many a view has room for that is taken at all. */
  readonly leastKeys: number;
  readonly leastCapacity: number;
}

export const attentionTuning: AttentionTuning = {
  mostCluster: 16,
  leastKeys: 64,
  ring: { units: 2, resident: 4, leastPagedKeys: 512, leastKeys: 128, leastCapacity: 2 ** 31 },
};
const mostPieces = 32;
/** Rows of a tile of few queries. */
const mostTileRows = 8;

type Chip = Pick<CudaDevice, "arch" | "multiprocessors">;

/** Which kernel takes the pieces of few rows, and how keys are cut into them. */
export interface PieceCut extends Pick<AttentionLaunch, "kernel" | "macros" | "sharedBytes"> {
  /** The most of a key/value head, and the fewest keys of one. */
  readonly pieces: number;
  readonly leastKeys: number;
  /** Whether any sequence may have several. */
  readonly mayBeSeveral: boolean;
  /** The blocks that add up the pieces of a tile among them; 0: a launch of its own does. */
  readonly cluster: number;
  readonly warps: number;
  /** The most blocks of a launch without clusters. */
  readonly resident: number;
}

export function cutPieces(
  form: CudaAttentionForm,
  shape: CudaAttentionShape,
  chip: Chip,
  tuning: AttentionTuning,
): PieceCut {
  const direct = fitsTensorCores(form, chip.arch) && form.headDim % 64 === 0;
  // A ring holds what products take as it lies, which e4m3 is not.
  const rings = direct && form.rounding === "once" && form.cacheDtype !== "e4m3";
  if (rings && (form.paged || shape.capacity >= tuning.ring.leastCapacity)) {
    return cutForRing(form, shape, chip, tuning.ring);
  }
  const { leastKeys } = tuning;
  const most = Math.min(
    mostPieces,
    Math.ceil(shape.capacity / leastKeys),
    chip.multiprocessors / shape.kvHeads,
  );
  const pieces = Math.max(1, Math.floor(most));
  const common = { pieces, leastKeys, mayBeSeveral: pieces > 1 && reachOf(form, shape) > leastKeys };
  if (!direct) {
    const simple = { kernel: "attention", macros: {}, warps: 8, sharedBytes: 0 } as const;
    return { ...common, ...simple, cluster: 0, resident: Number.POSITIVE_INFINITY };
  }
  const blocks = residentBlocks(form);
  return {
    ...common,
    ...{ kernel: "attention_decode", macros: { QK_RESIDENT: blocks }, warps: 4, sharedBytes: 0 },
    cluster: clusterOf(form, shape, chip, pieces, tuning),
    resident: chip.multiprocessors * blocks,
  };
}

/**
 * attention_ring.cu. It has so much asked for ahead that pieces of a batch may be long, for whoever adds them up costs a launch;
 * those of one sequence are as many as fill the chip.
 */
function cutForRing(
  form: CudaAttentionForm,
  shape: CudaAttentionShape,
  { multiprocessors }: Chip,
  tuning: RingTuning,
): PieceCut {
  const warps = 4;
  const [resident, units] = form.headDim > 128 ? [2, 2] : [tuning.resident, tuning.units];
  const leastKeys = form.paged ? tuning.leastPagedKeys : tuning.leastKeys;
  const unitBytes = 16 * form.headDim * 2;
  const mayBeSeveral = reachOf(form, shape) > leastKeys;
  const single = !mayBeSeveral && (shape.mostQueries * shape.queryHeads) / shape.kvHeads <= mostTileRows;
  return {
    kernel: "attention_ring",
    macros: { QK_RESIDENT: resident, QK_RING: units, QK_SINGLE: single ? 1 : 0 },
    pieces: mayBeSeveral ? Math.min(mostPieces, Math.ceil(shape.capacity / leastKeys)) : 1,
    leastKeys,
    mayBeSeveral,
    ...{ cluster: 0, warps, resident: single ? Number.POSITIVE_INFINITY : multiprocessors * resident },
    sharedBytes: warps * units * unitBytes + (single ? 0 : 4 * shape.batch),
  };
}

/** The most keys that a sequence can have. */
function reachOf(
  { paged }: CudaAttentionForm,
  { capacity, pageSize, pagesPerSequence }: CudaAttentionShape,
): number {
  return paged ? Math.min(capacity, pageSize * pagesPerSequence) : capacity;
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
  { arch, multiprocessors }: Chip,
  pieces: number,
  { mostCluster }: AttentionTuning,
): number {
  const fewRows = mostQueries * (queryHeads / kvHeads) <= 2;
  const atOnce = batch * kvHeads * pieces <= 2 * multiprocessors;
  const powerOfTwo = pieces > 1 && Number.isInteger(Math.log2(pieces));
  const possible = capabilityOf(arch) >= 90 && form.headDim <= 128 && form.rounding === "once";
  return possible && fewRows && atOnce && powerOfTwo && pieces <= mostCluster ? pieces : 0;
}

/** 90 of `sm_90a`. */
function capabilityOf(arch: string): number {
  return Number.parseInt(arch.slice("sm_".length), 10);
}

/** Whether the tensor cores take a form as it lies. */
export function fitsTensorCores(form: CudaAttentionForm, arch: string): boolean {
  const { dtype, cacheDtype, headDim, alignment, cacheAlignment } = form;
  const cacheFits =
    cacheDtype === "e4m3" ? cacheAlignment >= 8 : cacheDtype === dtype && cacheAlignment === 16;
  return (
    capabilityOf(arch) >= 80 &&
    dtype !== "f32" &&
    headDim % 8 === 0 &&
    headDim <= 256 &&
    alignment === 16 &&
    cacheFits
  );
}
