import type { FloatDtype, NormKind } from "@qknorm/core";
import { dtypeNumbers, kindNumbers, roundingNumbers } from "../numbers.ts";
import type { CudaAttentionForm } from "./attention-form.ts";
import { requireDevice, requireFields, requireList } from "./call-arguments.ts";
import { type CudaChainForm, chainMacros } from "./chain-form.ts";
import type { CudaDevice } from "./device.ts";

/** A product of one row as decode_steps.cu is specialised for it: `Product` of decode_steps.cuh. */
export interface DecodeProduct {
  /** K, a multiple of 8. */
  readonly inputs: number;
  /** N; with SwiGLU I. */
  readonly outputs: number;
  /** Of a row, added up one by one: `split` of the geometry of gemv.cu. */
  readonly parts: number;
  readonly norm: "none" | "weighted" | "plain";
  readonly swiglu: boolean;
  readonly bias: boolean;
  readonly residual: boolean;
}

/** The norms in front of products. */
export interface DecodeNorm {
  readonly kind: Exclude<NormKind, "layer">;
  readonly weight: FloatDtype;
  readonly weightOffset: 0 | 1;
}

/** What a launch of decode_steps.cu is specialised for. Norms, gates and attention are rounded alike: as attention is. */
export interface DecodeForm {
  readonly dtype: Exclude<FloatDtype, "f32">;
  readonly products: readonly DecodeProduct[];
  readonly norm: DecodeNorm;
  readonly chain: CudaChainForm;
  readonly attention: CudaAttentionForm;
  /** Scores are added up as attention_ring.cu does it. */
  readonly inHalves: boolean;
  /** Query heads of a key/value head. */
  readonly group: number;
  /** The most steps. */
  readonly steps: number;
}

const warps = 8;
/** Sums of a tile, which is finished at once. */
const mostSums = 2048;
const warpsOfAttention = 4;
/** Bytes: PIECE_PAGES of decode_room.cuh. */
const pagesAtHand = 512;
/** The least that a slot holds: rows enough for all warps, of most models. */
const leastSlot = 32 << 10;
const mostSlots = 8;
/** `DecodeStep` of decode_steps.cuh. */
export const stepBytes = 128;
/** The most of a row that is normalised: each thread of the norm has a chunk. */
const mostNormed = 8192;

/** How the shared memory of a block is used. */
export interface DecodeRing {
  readonly slot: number;
  readonly slots: number;
  readonly sharedBytes: number;
}

/** Whether the kernel takes a product of such a shape. */
function fitsDecodeSteps(product: DecodeProduct, device: CudaDevice): boolean {
  const { inputs, outputs, norm, parts } = product;
  return (
    inputs % 8 === 0 &&
    (norm === "none" || inputs <= mostNormed) &&
    parts <= warps &&
    outputs * (device.multiprocessors + 1) < 2 ** 32
  );
}

/**
 * The ring that the products have room for, beside attention of a head dim and so many query heads of a key/value head, at
 * most by default. Null: there are not two slots, or a product is of a shape that is not taken.
 */
export function decodeRing(
  products: readonly DecodeProduct[],
  device: CudaDevice,
  heads: { readonly headDim?: number; readonly group?: number } = {},
): DecodeRing | null {
  requireList(products, "the products of decode steps");
  requireDevice(device);
  requireFields(heads, "the heads of decode steps");
  const { headDim = 256, group = 8 } = heads;
  if (!products.every((product) => fitsDecodeSteps(product, device))) return null;
  const widest = Math.max(...products.map(({ inputs, swiglu }) => 2 * inputs * (swiglu ? 2 : 1)));
  const slot = Math.max(leastSlot, Math.ceil(widest / 1024) * 1024);
  const inputs = Math.max(...products.map((product) => product.inputs));
  const room = 2 * inputs + 8 * mostSums + 128 + 16 * mostSlots + 2 * (stepBytes + 8) + 80;
  const rows = rowsOfGroup(group);
  const attention =
    warpsOfAttention * rows * (8 + 4 * headDim) + (rows + 2) * 2 * headDim + 128 + pagesAtHand;
  const slots = Math.min(mostSlots, Math.floor((device.sharedBytesPerBlock - room - attention) / slot));
  return slots < 2 ? null : { slot, slots, sharedBytes: slots * slot + room + attention };
}

export function decodeMacros(
  form: DecodeForm,
  { slot, slots, sharedBytes }: DecodeRing,
): Record<string, number | string> {
  const { dtype, products, norm, chain, attention, inHalves, group, steps } = form;
  const {
    QK_NORM,
    QK_CACHE: _,
    QK_CACHE_ALIGN: __,
    QK_SCALES,
    QK_CACHE_DTYPE,
    QK_IN_PLACE,
    ...heads
  } = chainMacros(chain);
  const { headDim } = attention;
  return {
    ...heads,
    QK_HEAD_NORM: QK_NORM as number,
    QK_LANES: headDim / 8,
    QK_RADIX: 2,
    QK_HEAD_DIM: headDim,
    QK_CACHE: dtypeNumbers[dtype],
    QK_CACHE_ALIGN: 16,
    QK_ROWS: rowsOfGroup(group),
    QK_WARPS: warpsOfAttention,
    QK_PAGED: attention.paged ? 1 : 0,
    QK_IN_HALVES: inHalves ? 1 : 0,
    QK_CAUSAL: 1,
    QK_HF: roundingNumbers[attention.rounding],
    QK_SOFT_CAP: attention.softCap ? 1 : 0,
    QK_SINKS: -1,
    QK_TENSOR_ROWS: 0,
    QK_CLUSTER: 0,
    QK_STAGE: 0,
    QK_STEPS: steps,
    QK_MOST_INPUTS: Math.max(...products.map(({ inputs }) => inputs)),
    QK_MOST_NORMED: Math.max(8, ...products.map(({ inputs, norm }) => (norm === "none" ? 0 : inputs))),
    QK_MOST_SUMS: mostSums,
    QK_SLOT: slot,
    QK_SLOTS: slots,
    QK_SHARED: sharedBytes,
    QK_NORM_KIND: kindNumbers[norm.kind],
    QK_NORM_DTYPE: dtypeNumbers[norm.weight],
    QK_NORM_OFFSET: norm.weightOffset,
  };
}

/** Rows of attention's tiles, as its own launch has them for one token. */
export function rowsOfGroup(group: number): number {
  return Math.min(8, 2 ** Math.ceil(Math.log2(group)));
}

/** How a product goes through the ring of each of so many blocks. */
export function decodeTiles(
  { inputs, outputs, parts, swiglu }: DecodeProduct,
  { slot, slots }: DecodeRing,
  blocks: number,
): DecodeTiles {
  const rowsOfOutput = swiglu ? 2 : 1;
  const room = Math.floor(slot / (2 * inputs * rowsOfOutput));
  const most = Math.min(Math.floor(mostSums / (parts * rowsOfOutput)), 32 * warps);
  const stage = room % 2 === 1 && room > 1 && 2 * room > most ? room - 1 : room;
  // Weights that the ring has no room for keep others waiting; of those that it has, the sooner words are through the better.
  const underWay = (2 * inputs * outputs * rowsOfOutput) / blocks > slot * slots ? 2 : 1;
  if (stage > most) return { stage, tile: most, underWay };
  const step = stage % 2 === 0 ? stage : 2 * stage;
  return { stage, tile: Math.floor(most / step) * step, underWay };
}

export interface DecodeTiles {
  /** Outputs of a slot, and those that are finished at once: pairs, which are one word. */
  readonly stage: number;
  readonly tile: number;
  /** Slots that are being filled at once. */
  readonly underWay: number;
}
