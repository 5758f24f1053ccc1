import type { CacheArray, NativeArray } from "./numbers.ts";

/**
 * The ops around QK norm. `params` is one `Float64Array` of exactly these numbers, in this order; an ISA number of -1
 * stands for the process's own. Offsets and strides count elements.
 */
export interface OpsBinding {
  /**
   * rows, inFeatures, outFeatures; x dtype, offset, row stride; weight dtype, offset, row stride; bias dtype, offset;
   * out dtype, offset, row stride; engine; ISA
   */
  linear(
    params: Float64Array,
    x: NativeArray,
    weight: NativeArray,
    bias: NativeArray | null,
    out: NativeArray,
  ): void;
  /**
   * rows (at most 8), inFeatures, outFeatures; x dtype, offset, row stride; weight dtype, offset, row stride; dtype and
   * offset of bias, the norm's weight and the norm's bias; offset and row stride of residual, and of out; swiglu (0: none,
   * 1: once, 2: hf); norm (0: none), kind, eps, weight offset, rounding; ISA
   */
  project(
    params: Float64Array,
    x: NativeArray,
    weight: NativeArray,
    bias: NativeArray | null,
    normWeight: NativeArray | null,
    normBias: NativeArray | null,
    residual: NativeArray | null,
    out: NativeArray,
  ): void;
  /**
   * dtype, tokens, past, query heads, key/value heads, head dim, scale, window, rounding, ISA; then offset, token
   * stride and head stride of q, k, v and out; mask, chunk, soft cap; sinks dtype, offset
   */
  attention(
    params: Float64Array,
    q: NativeArray,
    k: NativeArray,
    v: NativeArray,
    out: NativeArray,
    sinks: NativeArray | null,
  ): void;
  /**
   * dtype, tokens, heads, head dim, rotary dim, table rows, layout, rounding, ISA; x offset, token stride, head stride;
   * offsets of cos, sin and positions
   */
  rope(
    params: Float64Array,
    x: NativeArray,
    cos: Float32Array,
    sin: Float32Array,
    positions: Int32Array,
  ): void;
  /**
   * dtype, tokens, heads, head dim, ISA; offset, token stride and head stride of k and of v; then a target: dtype of the
   * cache (3: e4m3), scales (0: none, 1: computed, 2: given), slots, offset of slots; offset, slot stride and head stride of
   * kCache, vCache, kScales and vScales
   */
  writeCache(
    params: Float64Array,
    k: NativeArray,
    v: NativeArray,
    kCache: CacheArray,
    vCache: CacheArray,
    slots: Int32Array,
    kScales: Float32Array | null,
    vScales: Float32Array | null,
  ): void;
  /**
   * dtype, head dim, tokens, order, ISA; for q and for k whether it is normalised, and a side as in `qkNorm`; R (0: nothing
   * turns), layout, rounding, table rows, offsets of cos, sin and positions; whether k and v are stored, offset, token stride
   * and head stride of v, and a target as in `writeCache`
   */
  qkNormRope(
    params: Float64Array,
    qInput: NativeArray,
    qOutput: NativeArray,
    qWeight: NativeArray | null,
    qBias: NativeArray | null,
    kInput: NativeArray,
    kOutput: NativeArray,
    kWeight: NativeArray | null,
    kBias: NativeArray | null,
    cos: Float32Array | null,
    sin: Float32Array | null,
    positions: Int32Array | null,
    v: NativeArray | null,
    kCache: CacheArray | null,
    vCache: CacheArray | null,
    slots: Int32Array | null,
    kScales: Float32Array | null,
    vScales: Float32Array | null,
  ): void;
  /** dtype, rows, width, rounding, ISA; offset and row stride of gateUp, and of out */
  siluMul(params: Float64Array, gateUp: NativeArray, out: NativeArray): void;
  /** dtype, count, ISA; offsets of a, b and out */
  add(params: Float64Array, a: NativeArray, b: NativeArray, out: NativeArray): void;
  /** As `add`. */
  mul(params: Float64Array, a: NativeArray, b: NativeArray, out: NativeArray): void;
  /** dtype, count, kind, number, ISA; offsets of x and out */
  pointwise(params: Float64Array, x: NativeArray, out: NativeArray): void;
  /** dtype, count, alphaP, alphaN, beta, eps, ISA; offsets of x and out */
  xielu(params: Float64Array, x: NativeArray, out: NativeArray): void;
  /** dtypes of from and to, count, ISA; their offsets */
  convert(params: Float64Array, from: NativeArray, to: NativeArray): void;
  /** dtypes of table and out, rows, width, table rows, ISA; table offset, row stride; ids offset; out offset, row stride */
  gatherRows(params: Float64Array, table: NativeArray, ids: Int32Array, out: NativeArray): void;
  /**
   * tokens, choices, experts, hidden, intermediate; x dtype, offset, row stride; dtype, offset, expert stride and row stride
   * of gate, up and down; weights dtype, offset; chosen offset; out dtype, offset, row stride; weighs, activation, rounding,
   * ISA
   */
  moe(
    params: Float64Array,
    x: NativeArray,
    gate: NativeArray,
    up: NativeArray,
    down: NativeArray,
    chosen: Int32Array,
    weights: NativeArray,
    out: NativeArray,
  ): void;
  /**
   * tokens, channels, taps; x dtype, offset, row stride; dtype and offset of weight and of bias; offsets of state and out;
   * ISA; whether there is a bias
   */
  causalConv(
    params: Float64Array,
    x: NativeArray,
    weight: NativeArray,
    bias: NativeArray | null,
    state: NativeArray,
    out: NativeArray,
  ): void;
  /**
   * tokens, key heads, heads, key dim, value dim, scale, rounding, ISA, offset of state; dtype, offset, token stride and head
   * stride of q, k, v, a, b, aLog and dtBias
   */
  gatedDeltaRule(
    params: Float64Array,
    q: NativeArray,
    k: NativeArray,
    v: NativeArray,
    a: NativeArray,
    b: NativeArray,
    aLog: NativeArray,
    dtBias: NativeArray,
    state: Float32Array,
    out: NativeArray,
  ): void;
  /** dtype, rows, width; offset and row stride of from, and of to */
  copyRows(params: Float64Array, from: NativeArray, to: NativeArray): void;
  blasInfo(): { library: string | null; tried: string[] };
  threadCount(): number;
  /** 0 to 256; 0 is the default. */
  setThreadCount(count: number): void;
}
