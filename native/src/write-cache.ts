import type { FloatDtype } from "@qknorm/core";
import { requireBinding } from "./loader.ts";
import {
  type CacheArray,
  type CpuIsa,
  cacheDtypeNumbers,
  dtypeNumbers,
  scaleModeNumbers,
} from "./numbers.ts";
import { type HeadsView, ParamWriter, requireObject } from "./params.ts";

/** `[slots, heads, headDim]` in memory, the last axis dense; `tokenStride` is from one slot to the next. */
export interface CacheView extends Omit<HeadsView, "data"> {
  readonly data: CacheArray;
}

/** f32 `[slots, heads]` in memory. */
export interface CacheScalesView extends Omit<HeadsView, "data"> {
  readonly data: Float32Array;
}

/** Memory of keys and values, and where the rows of new tokens go. */
export interface CacheTarget {
  readonly cacheDtype: keyof typeof cacheDtypeNumbers;
  readonly slotCount: number;
  readonly kCache: CacheView;
  readonly vCache: CacheView;
  /** Of a cache of e4m3, and of no other: written (`computed`) or read (`given`). */
  readonly scales: {
    readonly mode: "computed" | "given";
    readonly k: CacheScalesView;
    readonly v: CacheScalesView;
  } | null;
  /** `[tokens]`; one below 0 or from `slotCount` on writes nothing. */
  readonly slots: Int32Array;
}

export interface WriteCacheCall {
  readonly dtype: FloatDtype;
  readonly tokens: number;
  readonly heads: number;
  readonly headDim: number;
  /** `[tokens, heads, headDim]`; share no memory with the cache */
  readonly k: HeadsView;
  readonly v: HeadsView;
  readonly target: CacheTarget;
  readonly isa?: CpuIsa;
}

/**
 * Puts rows of keys and values into the slots of a cache, each value rounded once to its dtype. In e4m3 a slot's head holds
 * `x * (1 / scale)`, both in f32; a computed scale is the row's largest magnitude over 448 (`scaleE4m3` of core). All
 * instruction sets give the same bits.
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or range, e4m3
 * without scales), `ERR_QKNORM_DTYPE` (an array of another dtype), `ERR_QKNORM_LAYOUT` (an array too short or detached, rows
 * that overlap), `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`.
 */
export function writeCache(call: WriteCacheCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { k, v, target } = call;
  params
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.tokens, "tokens")
    .number(call.heads, "heads")
    .number(call.headDim, "headDim")
    .isa(call.isa)
    .heads(k, "k")
    .heads(v, "v");
  writeTarget(params, target);
  const { kCache, vCache, slots, scales } = target;
  binding.writeCache(
    params.array,
    k.data,
    v.data,
    kCache.data,
    vCache.data,
    slots,
    scales?.k.data ?? null,
    scales?.v.data ?? null,
  );
}

/** How many numbers `writeTarget` writes. */
export const targetParams = 16;

/** Writes the numbers of a target. Throws `ERR_QKNORM_ARGUMENT` and `ERR_QKNORM_DTYPE`. */
export function writeTarget(to: ParamWriter, target: CacheTarget): void {
  requireObject(target, "the target");
  const { scales } = target;
  to.choice(cacheDtypeNumbers, target.cacheDtype, "cacheDtype")
    .choice(scaleModeNumbers, scales === null ? "none" : scales.mode, "scales")
    .number(target.slotCount, "slotCount")
    .number(0, "slots offset")
    .heads(target.kCache, "kCache")
    .heads(target.vCache, "vCache")
    .heads(scales === null ? nowhere : scales.k, "kScales")
    .heads(scales === null ? nowhere : scales.v, "vScales");
}

const nowhere = { offset: 0, tokenStride: 0, headStride: 0 };

const params = new ParamWriter(11 + targetParams);
