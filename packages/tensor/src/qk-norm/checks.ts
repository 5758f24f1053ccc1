import { type FusedQkNormCall, formatShape, type NormSpec, QkNormError, type Refusal } from "@qknorm/core";
import type { NormSide, QkNormCall } from "../backend.ts";
import { type FloatDtype, floatDtypes } from "../dtype.ts";
import { checkAffine, requireTensor } from "../ops/checks.ts";
import { assertNoSelfOverlap, mayShareMemory } from "../overlap.ts";
import { Tensor } from "../tensor.ts";
import { readSide } from "./side.ts";

type Call = FusedQkNormCall<Tensor>;

/** Head dims that the fused kernels are tested for; others go through the fallback. */
const headDims = { least: 8, most: 1024, step: 8 } as const;

/**
 * The call as backends take it, or what refuses it on any of them. Throws where it is wrong rather than unsupported.
 * This is the one place where a fused call is checked: what passes here, a backend runs, or names its kernel as missing.
 */
export function checkCall(call: Call): QkNormCall | readonly Refusal[] {
  const { q, k, layout, allowInplace } = call;
  const [qSpec, kSpec] = [call.qSpec, call.kSpec] as [NormSpec<Tensor>, NormSpec<Tensor>];
  requireTensor(q, "q", floatDtypes);
  requireTensor(k, "k", floatDtypes);
  if (q.dtype !== k.dtype) {
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `q is ${q.dtype} and k is ${k.dtype}; attention needs one dtype`,
    );
  }
  const elsewhere = affineOf(call).find(([, values]) => values.device !== q.device);
  if (elsewhere !== undefined) {
    const [name, { device }] = elsewhere;
    return [{ code: "weight-device", detail: `${name} is on ${device} and q and k are on ${q.device}` }];
  }
  checkWeights(qSpec, layout.headDim, layout.queryHeads, "the q");
  checkWeights(kSpec, layout.headDim, layout.kvHeads, "the k");
  if (allowInplace) checkOverlap(call);
  const [qSide, kSide] = [readSide(q, layout, "q", qSpec), readSide(k, layout, "k", kSpec)];
  const refusals = [
    ...headDimRefusals(layout.headDim),
    ...layoutRefusals("q", q, qSide, layout.headDim),
    ...layoutRefusals("k", k, kSide, layout.headDim),
  ];
  if (refusals.length > 0 || qSide === null || kSide === null) return refusals;
  return {
    q: qSide,
    k: kSide,
    dtype: q.dtype as FloatDtype,
    headDim: layout.headDim,
    tokens: layout.tokens,
    inPlace: allowInplace,
  };
}

/** A norm across all heads of a token has one weight for each of their values. */
function checkWeights(spec: NormSpec<Tensor>, headDim: number, heads: number, side: string): void {
  if (spec.axis === "row") checkAffine(spec, heads * headDim, 1, side);
  else checkAffine(spec, headDim, heads, side);
}

/** Weights and biases, with names for messages. */
function affineOf({ qSpec, kSpec }: Call): [name: string, values: Tensor][] {
  const all = {
    "q's weight": qSpec.weight,
    "q's bias": qSpec.bias,
    "k's weight": kSpec.weight,
    "k's bias": kSpec.bias,
  };
  return Object.entries(all).filter((entry): entry is [string, Tensor] => Tensor.is(entry[1]));
}

// In place, nothing that is written may be anything else of the call.
function checkOverlap(call: Call): void {
  const { q, k } = call;
  assertNoSelfOverlap(q, "q");
  assertNoSelfOverlap(k, "k");
  const read = affineOf(call);
  for (const [written, x, others] of [
    ["q", q, [["k", k], ...read]],
    ["k", k, read],
  ] as [string, Tensor, [string, Tensor][]][]) {
    for (const [name, other] of others) {
      if (!mayShareMemory(x, other)) continue;
      throw new QkNormError(
        "ERR_QKNORM_OVERLAP",
        `${written} ${formatShape(x.shape)} and ${name} ${formatShape(other.shape)} overlap in memory, so ${written} may not be written; pass disjoint slices, or allowInplace: false`,
      );
    }
  }
}

function headDimRefusals(headDim: number): Refusal[] {
  const { least, most, step } = headDims;
  if (headDim >= least && headDim <= most && headDim % step === 0) return [];
  const detail = `head dim ${headDim} is not a multiple of ${step} from ${least} to ${most}`;
  return [{ code: "head-dim", detail }];
}

function layoutRefusals(name: string, x: Tensor, side: NormSide | null, headDim: number): Refusal[] {
  const seen = `${name} ${formatShape(x.shape)} with strides ${formatShape(x.strides)}`;
  if (side === null) {
    return [{ code: "layout", detail: `${seen} has no single token stride with dense heads` }];
  }
  if (side.spec.axis === "row" && side.heads > 1 && side.headStride !== headDim) {
    return [{ code: "layout", detail: `${seen} has gaps between the heads of a token, which are one row` }];
  }
  return [];
}
