import type {
  FusedQkNormRope as CoreQkNormRope,
  FusedQkNormRopeCall,
  HeadOrder,
  PreparedQkNormRope,
  QkNormRopeOperands,
  QkNormRopeSteps,
  QkNormRopeTensors,
  Refusal,
} from "@qknorm/core";
import type { FusedQkNorm, QkNormRopeRun, QkNormRopeViews } from "../backend.ts";
import type { Indices } from "../indices.ts";
import { emptyLike } from "../qk-norm/empty-like.ts";
import { Tensor } from "../tensor.ts";
import { checkChain } from "./checks.ts";
import { QkNormRopeFit } from "./fit.ts";
import { stepsOf } from "./steps.ts";

type Call = FusedQkNormRopeCall<Tensor>;

/** The chain of tensors on the backends that have this kernel. */
export class TensorQkNormRope implements CoreQkNormRope<Tensor> {
  readonly #fused: FusedQkNorm;

  constructor(fused: FusedQkNorm) {
    this.#fused = fused;
  }

  prepare(call: Call): PreparedQkNormRope<Tensor> | readonly Refusal[] {
    const checked = checkChain(call);
    if (!("call" in checked)) return checked;
    const { qkNormRope } = this.#fused;
    if (qkNormRope === undefined) return [{ code: "kernel", detail: "there is no fused chain" }];
    const run = qkNormRope.prepare(checked.call);
    if (typeof run !== "function") return run;
    return new PreparedTensors(this.#fused, run, call, QkNormRopeFit.of(call, checked));
  }

  steps(call: QkNormRopeTensors<Tensor>): QkNormRopeSteps<Tensor> {
    return stepsOf(call);
  }

  async warmUp(call: Call): Promise<void> {
    const checked = checkChain(call);
    if ("call" in checked) await this.#fused.qkNormRope?.warmUp?.(checked.call);
  }
}

type Operands = QkNormRopeOperands<Tensor>;

class PreparedTensors implements PreparedQkNormRope<Tensor> {
  readonly inPlace: boolean;
  readonly #fused: FusedQkNorm;
  readonly #run: QkNormRopeRun;
  readonly #order: HeadOrder;
  readonly #fit: QkNormRopeFit | null;
  /** Without a fit, the one call that it runs for. Let go of then: what is kept must not keep tensors alive. */
  #only: Call | null;

  constructor(fused: FusedQkNorm, run: QkNormRopeRun, call: Call, fit: QkNormRopeFit | null) {
    this.inPlace = call.allowInplace;
    this.#fused = fused;
    this.#run = run;
    this.#order = call.layout.order;
    this.#fit = fit;
    this.#only = fit === null ? call : null;
  }

  run(operands: Operands): [Tensor, Tensor] | null {
    const { q, k, v, positions, slots } = operands;
    // Kernels that are no longer in use run nothing.
    if (!Tensor.is(q) || q.memory.backend.qkNorm !== this.#fused) return null;
    const tokens = this.#fit === null ? this.#once(operands) : this.#fit.tokens(q, k, v, positions, slots);
    if (tokens === 0) return null;
    if (this.inPlace) return this.#run(viewsOf(operands, q, k, tokens)) ? [q, k] : null;
    return this.#runApart(operands, tokens);
  }

  #once({ q, k, v, positions, slots }: Operands): number {
    const only = this.#only;
    if (only === null || q !== only.q || k !== only.k || v !== only.v) return 0;
    if (positions !== only.positions || slots !== only.cache?.slots) return 0;
    this.#only = null;
    return only.layout.tokens;
  }

  #runApart(operands: Operands, tokens: number): [Tensor, Tensor] | null {
    const qOut = emptyLike(operands.q, this.#order);
    let kOut: Tensor | undefined;
    let ran = false;
    try {
      kOut = emptyLike(operands.k, this.#order);
      ran = this.#run(viewsOf(operands, qOut, kOut, tokens));
      return ran ? [qOut, kOut] : null;
    } finally {
      if (!ran) {
        qOut.dispose();
        kOut?.dispose();
      }
    }
  }
}

function viewsOf(
  { q, k, v, positions, slots }: Operands,
  qOut: Tensor,
  kOut: Tensor,
  tokens: number,
): QkNormRopeViews {
  const [places, rows] = [positions, slots] as (Indices | null | undefined)[];
  return { q, k, qOut, kOut, v, positions: places ?? null, slots: rows ?? null, tokens };
}
