import type { FusedQkNormCall, FusedQkNormProvider, NormSpec, PreparedQkNorm, Refusal } from "@qknorm/core";
import { kernels } from "./backend.ts";
import type { Kernels, NormSide, QkNormRun } from "./kernels.ts";
import { typedError } from "./native-errors.ts";
import { denseSpec } from "./ops/normalize.ts";
import { refusals } from "./qk-norm-checks.ts";
import { QkNormFit } from "./qk-norm-fit.ts";
import { Tensor } from "./tensor.ts";

type Call = FusedQkNormCall<Tensor>;

/** Fused QK norm on CPU tensors, while these kernels are the ones in use. */
export class CpuQkNormProvider implements FusedQkNormProvider<Tensor> {
  readonly name: string;
  readonly #provides: () => Kernels | null;

  constructor(name: string, provides: () => Kernels | null) {
    this.name = name;
    this.#provides = provides;
  }

  claims(x: unknown): boolean {
    return Tensor.is(x) && x.device === "cpu" && kernels() === this.#provides();
  }

  refusals(call: Call): readonly Refusal[] {
    return refusals(call);
  }

  run(call: Call): [Tensor, Tensor] {
    const q = sideOf(call, "q");
    const k = sideOf(call, "k");
    kernels().normalize([q, k]);
    return call.allowInplace ? [call.q, call.k] : [q.out.view(call.q.shape), k.out.view(call.k.shape)];
  }

  prepare(call: Call): PreparedQkNorm<Tensor> | null {
    const fit = QkNormFit.of(call);
    const [qSpec, kSpec] = [call.qSpec, call.kSpec] as NormSpec<Tensor>[];
    const run = fit && kernels().prepareQkNorm(fit, qSpec as NormSpec<Tensor>, kSpec as NormSpec<Tensor>);
    return fit && run && new PreparedCpuQkNorm(kernels(), fit, run);
  }
}

class PreparedCpuQkNorm implements PreparedQkNorm<Tensor> {
  readonly #kernels: Kernels;
  readonly #fit: QkNormFit;
  readonly #run: QkNormRun;

  constructor(own: Kernels, fit: QkNormFit, run: QkNormRun) {
    this.#kernels = own;
    this.#fit = fit;
    this.#run = run;
  }

  run(q: Tensor, k: Tensor): [Tensor, Tensor] | null {
    if (kernels() !== this.#kernels) return null;
    const tokens = this.#fit.tokens(q, k);
    if (tokens === 0) return null;
    const { inPlace } = this.#fit;
    const qOut = inPlace ? q : Tensor.empty(q.shape, q.dtype);
    const kOut = inPlace ? k : Tensor.empty(k.shape, k.dtype);
    try {
      this.#run(q, k, qOut, kOut, tokens);
    } catch (error) {
      throw typedError(error);
    }
    return [qOut, kOut];
  }
}

function sideOf(call: Call, side: "q" | "k"): NormSide {
  const heads = side === "q" ? call.layout.queryHeads : call.layout.kvHeads;
  const x = call[side].view([call.layout.tokens, heads, call.layout.headDim]);
  const spec = denseSpec((side === "q" ? call.qSpec : call.kSpec) as NormSpec<Tensor>);
  return { x, out: call.allowInplace ? x : Tensor.zeros(x.shape, x.dtype), spec };
}
