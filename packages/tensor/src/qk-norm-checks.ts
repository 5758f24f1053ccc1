import { type FusedQkNormCall, formatShape, type NormSpec, QkNormError, type Refusal } from "@qknorm/core";
import { floatDtypes } from "./dtype.ts";
import { assertNoSelfOverlap, mayShareMemory } from "./memory.ts";
import { requireTensor } from "./ops/checks.ts";
import { checkAffine } from "./ops/normalize.ts";
import { SideFit } from "./qk-norm-fit.ts";
import { Tensor } from "./tensor.ts";

type Call = FusedQkNormCall<Tensor>;

/** Head dims that the fused kernels are tested for; others go through the fallback. */
const headDims = { least: 8, most: 1024, step: 8 } as const;

/** What refuses a fused call on any device. Throws where the call is wrong rather than unsupported. */
export function refusals(call: Call): Refusal[] {
  const { q, k, layout, allowInplace } = call;
  requireTensor(q, "q", floatDtypes, q.device);
  requireTensor(k, "k", floatDtypes, q.device);
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
  checkAffine(call.qSpec as NormSpec<Tensor>, layout.headDim, layout.queryHeads, "the q", q.device);
  checkAffine(call.kSpec as NormSpec<Tensor>, layout.headDim, layout.kvHeads, "the k", q.device);
  if (allowInplace) checkOverlap(call);
  return [...headDimRefusals(layout.headDim), ...layoutRefusals(call)];
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

function layoutRefusals({ q, k, layout }: Call): Refusal[] {
  const sides = [
    { side: "q", x: q, heads: layout.queryHeads },
    { side: "k", x: k, heads: layout.kvHeads },
  ];
  return sides
    .filter(({ x, heads }) => SideFit.of(x, layout, heads) === null)
    .map(({ side, x }) => ({
      code: "layout",
      detail: `${side} ${formatShape(x.shape)} with strides ${formatShape(x.strides)} has no single token stride with dense heads`,
    }));
}
