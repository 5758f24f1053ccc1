import type { FusedQkNormCall, FusedQkNormProvider, NormSpec } from "@qknorm/core";
import { kernels } from "./backend.ts";
import type { Kernels } from "./kernels.ts";
import { denseSpec } from "./ops/normalize.ts";
import { refusals } from "./qk-norm-checks.ts";
import { Tensor } from "./tensor.ts";

type Call = FusedQkNormCall<Tensor>;

/** Fused QK norm on CPU tensors, while these kernels are the ones in use. */
export function cpuQkNormProvider(name: string, provides: () => Kernels | null): FusedQkNormProvider<Tensor> {
  return {
    name,
    claims: (x) => Tensor.is(x) && x.device === "cpu" && kernels() === provides(),
    refusals,
    run(call) {
      const q = sideOf(call, "q");
      const k = sideOf(call, "k");
      kernels().normalize([q, k]);
      return call.allowInplace ? [call.q, call.k] : [q.out.view(call.q.shape), k.out.view(call.k.shape)];
    },
  };
}

function sideOf(call: Call, side: "q" | "k"): { x: Tensor; out: Tensor; spec: NormSpec<Tensor> } {
  const x = headView(call, side);
  const spec = denseSpec((side === "q" ? call.qSpec : call.kSpec) as NormSpec<Tensor>);
  return { x, out: call.allowInplace ? x : Tensor.zeros(x.shape, x.dtype), spec };
}

// [T, H, D] over the same memory.
function headView({ q, k, layout }: Call, side: "q" | "k"): Tensor {
  const heads = side === "q" ? layout.queryHeads : layout.kvHeads;
  return (side === "q" ? q : k).view([layout.tokens, heads, layout.headDim]);
}
