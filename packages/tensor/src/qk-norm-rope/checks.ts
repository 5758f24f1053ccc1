import {
  type FusedQkNormRopeCall,
  formatShape,
  type NormRounding,
  type NormSpec,
  QkNormError,
  type QkNormRopeTensors,
  type Refusal,
  type RopeSpec,
} from "@qknorm/core";
import type { NormSide, QkNormCall, QkNormRopeCall } from "../backend.ts";
import { floatDtypes } from "../dtype.ts";
import type { Indices } from "../indices.ts";
import type { CacheWriteScales, RopeTable } from "../op-specs.ts";
import { backendOfAll, requireShape, requireTensor, requireWithin } from "../ops/checks.ts";
import { type CacheTarget, checkCacheTarget, tensorsOf } from "../ops/write-cache.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import { checkCall } from "../qk-norm/checks.ts";
import { readSide } from "../qk-norm/side.ts";
import type { Tensor } from "../tensor.ts";

/** What a side without a norm is checked as. */
const noNorm: NormSpec<Tensor> = {
  ...{ kind: "rms", axis: "head", weight: null, eps: 0, weightOffset: 0, rounding: "once" },
};

/** The parts of a chain besides the norms, as tensors. */
export interface CheckedParts {
  readonly rope: { readonly table: RopeTable<Tensor>; readonly rounding: NormRounding } | null;
  readonly positions: Indices | null;
  readonly cache: CacheTarget | null;
}

/** A chain as backends take it, its norms as those of a call of QK norm, and what else it reads or writes. */
export interface CheckedChain {
  readonly call: QkNormRopeCall;
  readonly norms: QkNormCall;
  readonly settled: readonly Tensor[];
  /** P of the tables. */
  readonly places: number;
}

/** The chain as backends take it, or what refuses it on any of them. Throws where it is wrong rather than unsupported. */
export function checkChain(asked: FusedQkNormRopeCall<Tensor>): CheckedChain | readonly Refusal[] {
  const { q, k, v, layout, allowInplace, order } = asked;
  const [qSpec, kSpec] = [asked.qSpec, asked.kSpec] as (NormSpec<Tensor> | null)[];
  const norms = checkCall({ q, k, layout, allowInplace, qSpec: qSpec ?? noNorm, kSpec: kSpec ?? noNorm });
  const parts = checkParts(asked);
  if (!("q" in norms)) return norms;
  const table = parts.rope?.table;
  const settled = [
    ...(table === undefined ? [] : [table.cos, table.sin]),
    ...(parts.cache === null ? [] : Object.values(tensorsOf(parts.cache))),
  ] as Tensor[];
  const write = readWrite(v, parts.cache, layout);
  if (write !== null && "code" in write) return [write];
  const call: QkNormRopeCall = {
    ...norms,
    q: { ...norms.q, spec: qSpec ?? null },
    k: { ...norms.k, spec: kSpec ?? null },
    ...{ order, write },
    rope: parts.rope,
  };
  return { call, norms, settled, places: table?.cos.shape[0] ?? 0 };
}

/** What rotates and what is stored. Throws for all of it that is wrong, before anything is written. */
export function checkParts(asked: QkNormRopeTensors<Tensor>): CheckedParts {
  const { q, k, v, layout, allowInplace } = asked;
  requireTensor(q, "q", floatDtypes);
  requireTensor(k, "k", floatDtypes);
  if (allowInplace) for (const [name, x] of Object.entries({ q, k })) assertNoSelfOverlap(x, name);
  const rope = asked.rope === null ? null : checkRope(asked, layout.tokens, layout.headDim);
  const cache = asked.cache === null || v === null ? null : checkCache(asked, v);
  return { rope, cache, positions: rope === null ? null : (asked.positions as Indices) };
}

function checkRope(
  { q, k, rope, positions, allowInplace }: QkNormRopeTensors<Tensor>,
  tokens: number,
  headDim: number,
): CheckedParts["rope"] {
  const { cos, sin, layout = "halves", rounding } = rope as RopeSpec<Tensor>;
  requireTensor(cos, "cos", ["f32"]);
  requireTensor(sin, "sin", ["f32"]);
  requireShape(
    cos.shape.length === 2 && formatShape(cos.shape) === formatShape(sin.shape),
    "rope needs cos and sin [P, R]",
    { cos, sin },
  );
  requireShape(cos.contiguous && sin.contiguous, "rope needs contiguous tables", { cos, sin });
  const [places, half] = cos.shape as [number, number];
  requireShape(half > 0 && 2 * half <= headDim, `rope rotates from 2 to D = ${headDim} values`, { cos });
  requireWithin(positions, places, "position");
  if (positions.length !== tokens) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `positions must be one a token: ${positions.length} for ${tokens} tokens`,
    );
  }
  backendOfAll({ q, cos, sin });
  for (const [name, table] of Object.entries({ cos, sin })) {
    for (const [other, x] of allowInplace ? Object.entries({ q, k }) : []) {
      if (!mayShareMemory(x, table)) continue;
      throw new QkNormError(
        "ERR_QKNORM_OVERLAP",
        `rope writes ${other}, which shares memory with ${name}; or pass allowInplace: false`,
      );
    }
  }
  return { table: { cos, sin, layout }, rounding };
}

function checkCache(asked: QkNormRopeTensors<Tensor>, v: Tensor): CacheTarget {
  const { q, k, layout, allowInplace } = asked;
  const cache = asked.cache as NonNullable<QkNormRopeTensors<Tensor>["cache"]>;
  const { kvHeads, headDim, tokens } = layout;
  const scales = cache.kScale
    ? ({ k: cache.kScale, v: cache.vScale, mode: cache.scales ?? "computed" } as CacheWriteScales<Tensor>)
    : null;
  const target = {
    ...{ kCache: cache.k, vCache: cache.v, slots: cache.slots, scales },
  } as CacheTarget;
  requireTensor(v, "v", floatDtypes);
  if (v.dtype !== k.dtype) {
    throw new QkNormError("ERR_QKNORM_DTYPE", `k is ${k.dtype} and v is ${v.dtype}; a write needs one dtype`);
  }
  const tables = asked.rope as RopeTable<Tensor> | null;
  const read = { q, k, v, ...(tables !== null && { cos: tables.cos, sin: tables.sin }) };
  checkCacheTarget(target, [tokens, kvHeads, headDim], read);
  backendOfAll({ ...read, ...tensorsOf(target) });
  for (const [name, x] of allowInplace ? Object.entries({ q, k }) : []) {
    if (!mayShareMemory(x, v)) continue;
    throw new QkNormError(
      "ERR_QKNORM_OVERLAP",
      `${name} is written and shares memory with v, which is stored; pass a copy, or allowInplace: false`,
    );
  }
  return target;
}

function readWrite(
  v: Tensor | null,
  cache: CacheTarget | null,
  layout: FusedQkNormRopeCall<Tensor>["layout"],
): QkNormRopeCall["write"] | Refusal {
  if (v === null || cache === null) return null;
  const side: Omit<NormSide, "spec"> | null = readSide(v, layout, "k", null);
  if (side === null) {
    return {
      code: "layout",
      detail: `v ${formatShape(v.shape)} with strides ${formatShape(v.strides)} has no single token stride with dense heads`,
    };
  }
  const { kCache, vCache, scales } = cache;
  return { v: side, kCache, vCache, scales };
}
