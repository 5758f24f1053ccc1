import { QkNormError } from "@qknorm/core";
import {
  type AttentionTuning,
  attentionTuning,
  cutPieces,
  fitsTensorCores,
  type PieceCut,
} from "./attention-cut.ts";
import type { AttentionLaunch, CudaAttentionForm, CudaAttentionShape } from "./attention-form.ts";
import { requireDevice, requireFields } from "./call-arguments.ts";
import type { CudaDevice } from "./device.ts";

/** How a call is cut: its launches in order, and the memory that they share. */
export interface AttentionPlan {
  readonly launches: readonly AttentionLaunch[];
  /** The most of a key/value head, and the fewest keys of one. */
  readonly pieces: number;
  readonly leastKeys: number;
  readonly workspaceBytes: number;
}

const joinThreads = 128;
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
  device: Pick<CudaDevice, "arch" | "multiprocessors">,
  tuning: AttentionTuning = attentionTuning,
): AttentionPlan {
  requireFields(form, "the form of attention");
  requireFields(shape, "the shape of attention");
  requireDevice(device);
  const { headDim } = form;
  if (!Number.isInteger(headDim) || headDim < 1 || headDim > mostHeadDim) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `attention on a device has head dims from 1 to ${mostHeadDim}, got ${headDim}`,
    );
  }
  const { kvHeads, queryHeads, mostQueries } = shape;
  const group = queryHeads / kvHeads;
  const withTensorCores = fitsTensorCores(form, device.arch) && mostQueries * group >= tensorRows;
  const few = withTensorCores ? Math.floor((tensorRows - 1) / group) : mostQueries;
  const parted = withTensorCores && (!form.paged || few === 0) ? null : Math.min(few, mostQueries);
  const tensor = { QK_TENSOR_ROWS: withTensorCores ? tensorRows : 0 };
  const cut = cutPieces(form, shape, device, tuning);
  const plan =
    parted === null
      ? { launches: [], workspaceBytes: 0 }
      : planPieces(form, { ...shape, mostQueries: parted }, cut, tensor);
  const launches = [...plan.launches, ...(withTensorCores ? [planPrefill(form, shape, tensor)] : [])];
  if (launches.some(({ grid }) => grid >= mostBlocks)) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${shape.tokens} tokens are too many for one launch`);
  }
  const { pieces, leastKeys } = cut;
  return { launches, pieces, leastKeys, workspaceBytes: plan.workspaceBytes };
}

/** The kernel of pieces, and attention_join.cu where a row may have several that no cluster adds up. */
function planPieces(
  form: CudaAttentionForm,
  { batch, kvHeads, queryHeads, mostQueries, tokens }: CudaAttentionShape,
  { pieces, mayBeSeveral, cluster, warps, resident, kernel, sharedBytes, macros: own }: PieceCut,
  tensor: Readonly<Record<string, number>>,
): Pick<AttentionPlan, "launches" | "workspaceBytes"> {
  const { headDim } = form;
  const sequenceRows = mostQueries * (queryHeads / kvHeads);
  const rows = Math.min(headDim > 256 ? 4 : 8, 2 ** Math.ceil(Math.log2(sequenceRows)));
  const tiles = Math.ceil(sequenceRows / rows);
  const blocks = cluster > 0 ? tiles : blocksOf(pieces, tiles);
  const all = batch * kvHeads * blocks;
  const joins = cluster === 0 && mayBeSeveral && (form.paged || pieces >= 2 * tiles);
  const macros = { ...tensor, ...own };
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
        sharedBytes: sharedBytes + cluster * rows * (headDim + 2) * 4,
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
