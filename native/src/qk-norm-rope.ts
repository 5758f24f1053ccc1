import type { FloatDtype, NormRounding } from "@qknorm/core";
import { paramCounts } from "./binding.ts";
import { requireBinding } from "./loader.ts";
import { type NormSide, writeSide } from "./norm-side.ts";
import { type CpuIsa, dtypeNumbers, layoutNumbers, orderNumbers, roundingNumbers } from "./numbers.ts";
import { type HeadsView, ParamWriter, requireObject } from "./params.ts";
import { type CacheTarget, targetParams, writeTarget } from "./write-cache.ts";

/** One of q and k: as in `qkNorm`. Without `normalizes` its norm is not looked at, and it is rotated, copied or stored alone. */
export interface ChainSide extends NormSide {
  readonly normalizes: boolean;
}

/** The rotation of q and k: as in `rope`. */
export interface ChainRope {
  /** R: the first `2R` values of each head turn. */
  readonly half: number;
  readonly layout: "halves" | "interleaved";
  readonly rounding: NormRounding;
  /** `[tableRows, R]` each, from an element on. */
  readonly cos: Float32Array;
  readonly cosOffset: number;
  readonly sin: Float32Array;
  readonly sinOffset: number;
  readonly tableRows: number;
  /** `[tokens]`, each within `[0, tableRows)`. */
  readonly positions: Int32Array;
}

/** The write of k, as it comes out, and of v: as in `writeCache`. */
export interface ChainWrite extends CacheTarget {
  /** `[tokens, heads of k, headDim]`; shares no memory with what is written */
  readonly v: HeadsView;
}

export interface QkNormRopeCall {
  readonly dtype: FloatDtype;
  readonly headDim: number;
  readonly tokens: number;
  readonly order: keyof typeof orderNumbers;
  readonly q: ChainSide;
  readonly k: ChainSide;
  /** Null: nothing turns. */
  readonly rope: ChainRope | null;
  /** Null: nothing is stored. */
  readonly write: ChainWrite | null;
  /** Forces an instruction set; all of them give the same bits. */
  readonly isa?: CpuIsa;
}

/**
 * Normalises q and k, rotates them and stores k and v, in one pass over memory: with the bits of `qkNorm`, `rope` and
 * `writeCache` in turn, or of `rope` first.
 *
 * Throws what those throw, before anything is written.
 */
export function qkNormRope(call: QkNormRopeCall): void {
  const binding = requireBinding();
  requireObject(call, "the call");
  const { q, k, rope, write } = call;
  params
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.headDim, "headDim")
    .number(call.tokens, "tokens")
    .choice(orderNumbers, call.order, "order")
    .isa(call.isa);
  writeChainSide(q);
  writeChainSide(k);
  writeRope(rope);
  writeWrite(write);
  const scales = write === null ? null : write.scales;
  binding.qkNormRope(
    params.array,
    q.input,
    q.output,
    q.weight,
    q.bias,
    k.input,
    k.output,
    k.weight,
    k.bias,
    rope?.cos ?? null,
    rope?.sin ?? null,
    rope?.positions ?? null,
    write?.v.data ?? null,
    write?.kCache.data ?? null,
    write?.vCache.data ?? null,
    write?.slots ?? null,
    scales?.k.data ?? null,
    scales?.v.data ?? null,
  );
}

const params = new ParamWriter(5 + 2 * (1 + paramCounts.side) + 7 + 4 + targetParams);

function writeChainSide(side: ChainSide): void {
  requireObject(side, "a side");
  writeSide(params.number(side.normalizes ? 1 : 0, "normalizes"), side);
}

function writeRope(rope: ChainRope | null): void {
  if (rope === null) {
    for (let i = 0; i < 7; i++) params.number(0, "rope");
    return;
  }
  requireObject(rope, "rope");
  params
    .number(rope.half, "half")
    .choice(layoutNumbers, rope.layout, "layout")
    .choice(roundingNumbers, rope.rounding, "rope rounding")
    .number(rope.tableRows, "tableRows")
    .number(rope.cosOffset, "cosOffset")
    .number(rope.sinOffset, "sinOffset")
    .number(0, "positions offset");
}

function writeWrite(write: ChainWrite | null): void {
  if (write === null) {
    for (let i = 0; i < 4 + targetParams; i++) params.number(0, "write");
    return;
  }
  requireObject(write, "write");
  params.number(1, "stores").heads(write.v, "v");
  writeTarget(params, write);
}
