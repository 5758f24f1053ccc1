import { type FloatDtype, type NormRounding, QkNormError } from "@qknorm/core";
import { dtypeNumbers, roundingNumbers } from "../numbers.ts";
import { type Alignment, bytesOf } from "./alignment.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaMemory } from "./memory.ts";
import { CudaOp, type OpLaunch } from "./op.ts";
import type { CudaStream } from "./stream.ts";

/** What the attention kernels are specialised for (kernels/attention_span.cuh). */
export interface CudaAttentionForm {
  /** Of q and out. */
  readonly dtype: FloatDtype;
  /** Of k and v. */
  readonly cacheDtype: FloatDtype;
  /** 1 to 512. */
  readonly headDim: number;
  readonly rounding: NormRounding;
  readonly mask: "causal" | "none";
  readonly softCap: boolean;
  /** The dtype of the sinks; `null`: none. */
  readonly sinks: FloatDtype | null;
  /** Keys by page tables, of a batch; otherwise one sequence. */
  readonly paged: boolean;
  /** Of the address and strides of q, and of those of k and v. */
  readonly alignment: Alignment;
  readonly cacheAlignment: Alignment;
}

/** What one launch is packed for. Strides are in bytes. */
export interface CudaAttentionShape {
  readonly tokens: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  /** Keys that k and v have room for. */
  readonly capacity: number;
  readonly qStrides: HeadStrides;
  readonly kStrides: HeadStrides;
  readonly vStrides: HeadStrides;
  readonly scale: number;
  readonly softCap: number;
  readonly window: number;
  readonly chunk: number;
  /** Of a paged form: sequences, the most queries of one, and their page tables. */
  readonly batch: number;
  readonly mostQueries: number;
  readonly pageSize: number;
  readonly pagesPerSequence: number;
}

export interface HeadStrides {
  readonly token: number;
  readonly head: number;
}

const tensors = ["q", "k", "v", "out"] as const;
const indices = ["lengths", "queryStarts", "pages"] as const;

/** What a launch reads and writes; `lengths` of a form that is not paged is its one number of earlier keys. */
export type CudaAttentionOperand = (typeof tensors)[number] | (typeof indices)[number] | "sinks";

type Address = CudaAttentionOperand | "partial";
type Number =
  | `${"q" | "k" | "v"}${"Token" | "Head"}Stride`
  | "scale"
  | "softCap"
  | "tokens"
  | "group"
  | "kvHeads"
  | "capacity"
  | "window"
  | "chunk"
  | "pieces"
  | "leastKeys"
  | "blocks"
  | "pageSize"
  | "pagesPerSequence"
  | "batch";

interface Specialised extends CudaAttentionForm {
  readonly rows: number;
  readonly more: Readonly<Record<string, number>>;
}

const declaration = (kernel: string) =>
  new CudaOp<Specialised, Address | Number>({
    kernel,
    includes: ["attention_span.cuh"],
    parameters: {
      ...{ q: "address", k: "address", v: "address", out: "address", partial: "address" },
      ...{ lengths: "address", queryStarts: "address", pages: "address", sinks: "address" },
      ...{ qTokenStride: "i64", qHeadStride: "i64", kTokenStride: "i64", kHeadStride: "i64" },
      ...{ vTokenStride: "i64", vHeadStride: "i64", scale: "f32", softCap: "f32" },
      ...{ tokens: "u32", group: "u32", kvHeads: "u32", capacity: "u32", window: "u32", chunk: "u32" },
      ...{ pieces: "u32", leastKeys: "u32", blocks: "u32", pageSize: "u32", pagesPerSequence: "u32" },
      batch: "u32",
    },
    macros: (form) => ({
      QK_DTYPE: dtypeNumbers[form.dtype],
      QK_CACHE: dtypeNumbers[form.cacheDtype],
      QK_HEAD_DIM: form.headDim,
      QK_ROWS: form.rows,
      QK_PAGED: form.paged ? 1 : 0,
      QK_CAUSAL: form.mask === "causal" ? 1 : 0,
      QK_SOFT_CAP: form.softCap ? 1 : 0,
      QK_SINKS: form.sinks === null ? -1 : dtypeNumbers[form.sinks],
      QK_HF: roundingNumbers[form.rounding],
      QK_ALIGN: form.alignment,
      QK_CACHE_ALIGN: form.cacheAlignment,
      ...form.more,
    }),
  });

const pieceOp = declaration("attention");
const joinOp = declaration("attention_join");

const warps = 8;
const leastKeys = 64;
const mostPieces = 32;
const mostHeadDim = 512;
/** QK_STAGE of attention.cu: the launches of each rounding. */
const stages = { once: [0], hf: [1, 3], hfWithSinks: [1, 2, 3] } as const;

type Operands = Partial<Record<CudaAttentionOperand, Place>>;

interface Place {
  readonly memory: CudaMemory;
  readonly offset: number;
}

/**
 * Attention of one form and shape: specialised and packed once, run many times. Lengths, starts and pages are read on the
 * device, so that a captured launch holds for any number of keys up to the capacity.
 */
export class CudaAttention {
  readonly #launches: readonly OpLaunch<Address | Number>[];
  readonly #lengths: Readonly<Partial<Record<Address, number>>>;
  readonly #workspaceBytes: number;

  /** Throws `ERR_QKNORM_SHAPE` for a head dim above 512 and for more rows than a launch has blocks; what `CudaKernels.get` throws. */
  constructor(kernels: CudaKernels, form: CudaAttentionForm, shape: CudaAttentionShape) {
    const { tokens, queryHeads, kvHeads, batch } = shape;
    const group = queryHeads / kvHeads;
    const plan = planOf(form, shape, kernels.device.multiprocessors);
    const { rows, blocks, pieces } = plan;
    this.#lengths = lengthsOf(form, shape, plan);
    this.#workspaceBytes = this.#lengths.partial ?? 0;
    const bound = Object.keys(this.#lengths) as Address[];
    const make = (op: typeof pieceOp, wanted: LoadableKernel, grid: number, threads: number) => {
      const launch = op.launch(kernels, bound).use(wanted, grid, threads);
      for (const name of ["q", "k", "v"] as const) {
        launch.set(`${name}TokenStride`, shape[`${name}Strides`].token);
        launch.set(`${name}HeadStride`, shape[`${name}Strides`].head);
      }
      for (const name of ["scale", "softCap", "tokens", "kvHeads", "capacity", "batch"] as const)
        launch.set(name, shape[name]);
      for (const name of ["pageSize", "pagesPerSequence"] as const) launch.set(name, shape[name]);
      for (const name of ["window", "chunk"] as const) launch.set(name, Math.min(shape[name], 2 ** 31 - 1));
      return launch
        .set("group", group)
        .set("pieces", pieces)
        .set("leastKeys", leastKeys)
        .set("blocks", blocks);
    };
    const request = (op: typeof pieceOp, more: Readonly<Record<string, number>>) =>
      op.request({ ...form, rows, more }, kernels.device.arch);
    const rounding = form.rounding === "hf" && form.sinks !== null ? "hfWithSinks" : form.rounding;
    this.#launches = [
      ...stages[rounding].map((stage) =>
        make(
          pieceOp,
          request(pieceOp, { QK_STAGE: stage, QK_WARPS: warps }),
          batch * kvHeads * blocks,
          warps * 32,
        ),
      ),
      ...(plan.joins ? [make(joinOp, request(joinOp, { QK_THREADS: 128 }), tokens * queryHeads, 128)] : []),
    ];
  }

  /** Queues the launches. Throws what `OpLaunch.run` does, and what `CudaMemory` does for the room that pieces need. */
  run(stream: CudaStream, operands: Operands): void {
    const partial = this.#workspaceBytes > 0 ? new CudaMemory(stream, this.#workspaceBytes) : null;
    try {
      const places = partial === null ? operands : { ...operands, partial: { memory: partial, offset: 0 } };
      for (const launch of this.#launches) {
        for (const [name, length] of Object.entries(this.#lengths) as [Address, number][]) {
          const { memory, offset } = places[name as keyof typeof places] as Place;
          launch.bind(name, memory, offset, length);
        }
        launch.run(stream);
      }
    } finally {
      partial?.free();
    }
  }
}

interface Plan {
  readonly rows: number;
  /** The most of a key/value head. */
  readonly pieces: number;
  /** Of a key/value head of a sequence. */
  readonly blocks: number;
  /** Whether any row may have several pieces. */
  readonly joins: boolean;
}

/** How rows and keys are cut. Pieces depend on nothing of the batch: a sequence has the same bits in any. */
function planOf(form: CudaAttentionForm, shape: CudaAttentionShape, multiprocessors: number): Plan {
  const { headDim } = form;
  if (!Number.isInteger(headDim) || headDim < 1 || headDim > mostHeadDim) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `attention on a device has head dims from 1 to ${mostHeadDim}, got ${headDim}`,
    );
  }
  const { kvHeads, queryHeads, mostQueries } = shape;
  const sequenceRows = mostQueries * (queryHeads / kvHeads);
  const mostRows = headDim > 256 ? 4 : 8;
  const rows = Math.min(mostRows, 2 ** Math.ceil(Math.log2(sequenceRows)));
  const tiles = Math.ceil(sequenceRows / rows);
  const most = Math.min(mostPieces, Math.ceil(shape.capacity / leastKeys), multiprocessors / kvHeads);
  const pieces = Math.max(1, Math.floor(most));
  const ofTile = (tile: number) => Math.max(1, Math.floor(pieces / (tile + 1)));
  const shared = Math.min(tiles, pieces);
  const blocks =
    Array.from({ length: shared }, (_, tile) => ofTile(tile)).reduce((a, b) => a + b) + tiles - shared;
  if (shape.batch * kvHeads * blocks >= 2 ** 31 || shape.tokens * queryHeads >= 2 ** 31) {
    throw new QkNormError("ERR_QKNORM_SHAPE", `${shape.tokens} tokens are too many for one launch`);
  }
  const joins = form.paged ? pieces > 1 : pieces >= 2 * tiles;
  return { rows, pieces, blocks, joins };
}

/** Bytes of each operand that the kernels may touch; what is not named is not bound. */
function lengthsOf(
  form: CudaAttentionForm,
  shape: CudaAttentionShape,
  { rows, pieces, joins }: Plan,
): Partial<Record<Address, number>> {
  const { tokens, queryHeads, kvHeads, capacity, batch } = shape;
  const extent = (count: number, heads: number, strides: HeadStrides, dtype: FloatDtype) =>
    (count - 1) * strides.token + (heads - 1) * strides.head + form.headDim * bytesOf(dtype);
  const slots = batch * kvHeads * pieces * rows;
  const states = form.rounding === "hf" ? tokens * queryHeads : 0;
  return {
    q: extent(tokens, queryHeads, shape.qStrides, form.dtype),
    k: extent(capacity, kvHeads, shape.kStrides, form.cacheDtype),
    v: extent(capacity, kvHeads, shape.vStrides, form.cacheDtype),
    out: tokens * queryHeads * form.headDim * bytesOf(form.dtype),
    lengths: 4 * batch,
    ...(form.paged && { queryStarts: 4 * (batch + 1), pages: 4 * batch * shape.pagesPerSequence }),
    ...(form.sinks !== null && { sinks: queryHeads * bytesOf(form.sinks) }),
    ...((joins || states > 0) && { partial: 4 * (slots * (form.headDim + 2) + 2 * states) }),
  };
}
