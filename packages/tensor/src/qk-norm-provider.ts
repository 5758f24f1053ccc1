import {
  type FusedQkNormCall,
  type FusedQkNormProvider,
  formatShape,
  type NormSpec,
  QkNormError,
  type Refusal,
} from "@qknorm/core";
import { kernels } from "./backend.ts";
import type { Kernels } from "./kernels.ts";
import { assertNoSelfOverlap, mayShareMemory } from "./memory.ts";
import { lastAxisIsDense, requireTensor } from "./ops/checks.ts";
import { checkAffine, denseSpec } from "./ops/normalize.ts";
import { Tensor } from "./tensor.ts";

type Call = FusedQkNormCall<Tensor>;

/** Head dims that the fused kernels are tested for; others go through the fallback. */
const headDims = { least: 8, most: 1024, step: 8 } as const;

/** Fused QK norm on CPU tensors, while these kernels are the ones in use. */
export function cpuQkNormProvider(name: string, provides: () => Kernels | null): FusedQkNormProvider<Tensor> {
  return {
    name,
    claims: (x) => Tensor.is(x) && kernels() === provides(),
    refusals,
    run(call) {
      const q = sideOf(call, "q");
      const k = sideOf(call, "k");
      kernels().normalize([q, k]);
      return call.allowInplace ? [call.q, call.k] : [q.out.view(call.q.shape), k.out.view(call.k.shape)];
    },
  };
}

function refusals(call: Call): Refusal[] {
  const { q, k, layout, allowInplace } = call;
  requireTensor(q, "q");
  requireTensor(k, "k");
  if (q.dtype !== k.dtype) {
    throw new QkNormError(
      "ERR_QKNORM_DTYPE",
      `q is ${q.dtype} and k is ${k.dtype}; attention needs one dtype`,
    );
  }
  checkAffine(call.qSpec as NormSpec<Tensor>, layout.headDim, layout.queryHeads, "the q");
  checkAffine(call.kSpec as NormSpec<Tensor>, layout.headDim, layout.kvHeads, "the k");
  if (allowInplace) checkOverlap(call);

  const found: Refusal[] = [];
  const { headDim } = layout;
  if (headDim < headDims.least || headDim > headDims.most || headDim % headDims.step !== 0) {
    found.push({
      code: "head-dim",
      detail: `head dim ${headDim} is not a multiple of ${headDims.step} from ${headDims.least} to ${headDims.most}`,
    });
  }
  for (const [side, x] of [
    ["q", q],
    ["k", k],
  ] as const) {
    if (headView(call, side) === null) {
      found.push({
        code: "layout",
        detail: `${side} ${formatShape(x.shape)} with strides ${formatShape(x.strides)} has no single token stride with dense heads`,
      });
    }
  }
  return found;
}

// In place, nothing that is written may be anything else of the call.
function checkOverlap({ q, k, qSpec, kSpec }: Call): void {
  assertNoSelfOverlap(q, "q");
  assertNoSelfOverlap(k, "k");
  const read = {
    "q's weight": qSpec.weight,
    "q's bias": qSpec.bias,
    "k's weight": kSpec.weight,
    "k's bias": kSpec.bias,
  };
  for (const [written, x, others] of [
    ["q", q, { k, ...read }],
    ["k", k, read],
  ] as const) {
    for (const [name, other] of Object.entries(others)) {
      if (!Tensor.is(other) || !mayShareMemory(x, other)) continue;
      throw new QkNormError(
        "ERR_QKNORM_OVERLAP",
        `${written} ${formatShape(x.shape)} and ${name} ${formatShape(other.shape)} overlap in memory, so ${written} may not be written; pass disjoint slices, or allowInplace: false`,
      );
    }
  }
}

function sideOf(call: Call, side: "q" | "k"): { x: Tensor; out: Tensor; spec: NormSpec<Tensor> } {
  const x = headView(call, side) as Tensor;
  const spec = denseSpec((side === "q" ? call.qSpec : call.kSpec) as NormSpec<Tensor>);
  return { x, out: call.allowInplace ? x : Tensor.zeros(x.shape, x.dtype), spec };
}

// [T, H, D] over the same memory, or null when the strides do not allow it.
function headView({ q, k, layout }: Call, side: "q" | "k"): Tensor | null {
  const x = side === "q" ? q : k;
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  const view = x.tryView([layout.tokens, heads, layout.headDim]);
  return view !== null && lastAxisIsDense(view) ? view : null;
}
