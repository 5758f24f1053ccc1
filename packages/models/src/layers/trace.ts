import { planQkNorm, type QkNormPlan, type QkNormRequest } from "@qknorm/core";
import type { Tensor } from "@qknorm/tensor";

/** What one layer's QK norm did in one forward pass. */
export interface QkNormTrace {
  readonly layer: number;
  readonly plan: QkNormPlan;
  readonly ms: number;
}

/** Records how each layer's QK norm ran, and how long the pass around it took. One object per forward pass. */
export class ForwardTrace {
  readonly layers: QkNormTrace[] = [];
  /** Milliseconds of the whole forward pass, planning for the trace not counted. */
  totalMs = 0;
  readonly #started = performance.now();
  #planningMs = 0;

  /** Runs one QK norm and records its plan and time. */
  qkNorm(layer: number, request: QkNormRequest<Tensor>, run: () => [Tensor, Tensor]): [Tensor, Tensor] {
    const planned = performance.now();
    const plan = planQkNorm(request);
    const started = performance.now();
    const result = run();
    this.#planningMs += started - planned;
    this.layers.push({ layer, plan, ms: performance.now() - started });
    return result;
  }

  /** Ends the pass. */
  finish(): void {
    this.totalMs = performance.now() - this.#started - this.#planningMs;
  }
}
