import {
  planQkNorm,
  planQkNormRope,
  type QkNormPlan,
  type QkNormRequest,
  type QkNormRopePlan,
  type QkNormRopeRequest,
} from "@qknorm/core";
import type { Tensor } from "@qknorm/tensor";

/** What one layer's QK norm did in one forward pass, alone or with RoPE and the cache write. */
export interface QkNormTrace {
  readonly layer: number;
  readonly plan: QkNormPlan | QkNormRopePlan;
  readonly ms: number;
}

/** Records how each layer's QK norm ran, and how long the pass around it took. One object per forward pass. */
export class ForwardTrace {
  readonly layers: QkNormTrace[] = [];
  /** `apart` for a trace that is to see q and k between norm and RoPE: layers then take the steps one by one. */
  readonly chain: "auto" | "apart" = "auto";
  /** Milliseconds of the whole forward pass, planning for the trace not counted. */
  totalMs = 0;
  readonly #started = performance.now();
  #planningMs = 0;

  /** Whether a value is a trace that the constructor made. */
  static is(value: unknown): value is ForwardTrace {
    return typeof value === "object" && value !== null && #started in value;
  }

  /** Runs one QK norm and records its plan and time. */
  qkNorm(layer: number, request: QkNormRequest<Tensor>, run: () => [Tensor, Tensor]): [Tensor, Tensor] {
    return this.#record(layer, () => planQkNorm(request), run);
  }

  /** Runs one chain of QK norm, RoPE and cache write, and records its plan and time. */
  qkNormRope(
    layer: number,
    request: QkNormRopeRequest<Tensor>,
    run: () => [Tensor, Tensor],
  ): [Tensor, Tensor] {
    return this.#record(layer, () => planQkNormRope(request), run);
  }

  #record(layer: number, planned: () => QkNormTrace["plan"], run: () => [Tensor, Tensor]): [Tensor, Tensor] {
    const began = performance.now();
    const plan = planned();
    const started = performance.now();
    const result = run();
    this.#planningMs += started - began;
    this.layers.push({ layer, plan, ms: performance.now() - started });
    return result;
  }

  /** Ends the pass. */
  finish(): void {
    this.totalMs = performance.now() - this.#started - this.#planningMs;
  }
}
