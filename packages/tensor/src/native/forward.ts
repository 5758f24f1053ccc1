import type { NormRounding } from "@qknorm/core";
import * as native from "@qknorm/native";
import type { AttentionSpan, RopeTable } from "../kernels.ts";
import type { Tensor } from "../tensor.ts";

// The ops of a forward pass besides the norms: each hands the memory of its tensors to one call of the addon.

/** `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`. */
export function linear(x: Tensor, w: Tensor, bias: Tensor | null, out: Tensor): void {
  native.linear({
    rows: x.dim(0),
    inFeatures: x.dim(1),
    outFeatures: w.dim(0),
    x: rows(x),
    weight: rows(w),
    bias: bias && vector(bias),
    out: rows(out),
  });
}

/** Rotates `x [T, H, D]` in place. */
export function rope(x: Tensor, { cos, sin }: RopeTable, positions: Tensor, rounding: NormRounding): void {
  native.rope({
    dtype: dtypeOf(x),
    tokens: x.dim(0),
    heads: x.dim(1),
    headDim: x.dim(2),
    rotaryDim: 2 * cos.dim(1),
    x: heads(x),
    cos: cos.data as Float32Array,
    cosOffset: cos.offset,
    sin: sin.data as Float32Array,
    sinOffset: sin.offset,
    tableRows: cos.dim(0),
    positions: positions.data as Int32Array,
    positionsOffset: positions.offset,
    rounding,
  });
}

/** `out [T, Hq, D]` from `q [T, Hq, D]` over `k` and `v` `[S, Hkv, D]`. */
export function attention(q: Tensor, k: Tensor, v: Tensor, out: Tensor, span: AttentionSpan): void {
  native.attention({
    dtype: dtypeOf(q),
    tokens: q.dim(0),
    past: span.past,
    queryHeads: q.dim(1),
    kvHeads: k.dim(1),
    headDim: q.dim(2),
    scale: span.scale,
    rounding: span.rounding,
    q: heads(q),
    k: heads(k),
    v: heads(v),
    out: heads(out),
  });
}

/** `out [T, I] = silu(gate) * up` of `gateUp [T, 2I]`. */
export function siluMul(gateUp: Tensor, out: Tensor, rounding: NormRounding): void {
  const [tokens, width] = out.shape as [number, number];
  native.siluMul({
    dtype: dtypeOf(out),
    rows: tokens,
    width,
    gateUp: rows(gateUp),
    out: rows(out),
    rounding,
  });
}

/** `out [N] = a [N] + b [N]`. */
export function add(a: Tensor, b: Tensor, out: Tensor): void {
  native.add({ dtype: dtypeOf(out), count: out.size, a: vector(a), b: vector(b), out: vector(out) });
}

/** `out [T, C] = table [V, C]` at `ids [T]`. */
export function gatherRows(table: Tensor, ids: Tensor, out: Tensor): void {
  native.gatherRows({
    rows: out.dim(0),
    width: out.dim(1),
    table: rows(table),
    tableRows: table.dim(0),
    ids: ids.data as Int32Array,
    idsOffset: ids.offset,
    out: rows(out),
  });
}

/** `out [N] = x [N]` in the dtype of `out`. */
export function convert(x: Tensor, out: Tensor): void {
  native.convert({ count: out.size, from: vector(x), to: vector(out) });
}

function rows(x: Tensor): native.RowsView {
  return { data: memory(x), dtype: dtypeOf(x), offset: x.offset, rowStride: x.strides[0] as number };
}

function vector(x: Tensor): native.VectorView {
  return { data: memory(x), dtype: dtypeOf(x), offset: x.offset };
}

function heads(x: Tensor): native.HeadsView {
  const [tokenStride, headStride] = x.strides as [number, number];
  return { data: memory(x), offset: x.offset, tokenStride, headStride };
}

function memory(x: Tensor): native.NativeArray {
  return x.data as native.NativeArray;
}

function dtypeOf(x: Tensor): native.NativeDtype {
  return x.dtype as native.NativeDtype;
}
