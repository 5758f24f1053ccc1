import {
  type FusedQkNormCall,
  type FusedQkNormProvider,
  fusedQkNormProviders,
  type HeadOrder,
  type PreparedQkNorm,
  type Refusal,
  registerFusedQkNorm,
} from "@qknorm/core";
import type { FusedQkNorm, QkNormRun } from "../backend.ts";
import { TensorQkNormRope } from "../qk-norm-rope/provider.ts";
import { Tensor } from "../tensor.ts";
import { checkCall } from "./checks.ts";
import { emptyLike } from "./empty-like.ts";
import { QkNormFit } from "./fit.ts";

type Call = FusedQkNormCall<Tensor>;

/** Makes the fused kernel of a backend known to `applyQkNorm`, with what says how its calls would be faster, if they would. */
export function provideQkNorm(fused: FusedQkNorm, advice: () => string | null = () => null): void {
  registerFusedQkNorm(new TensorQkNorm(fused, advice));
}

// By the kernel's name, what it was registered under.
const registered = new Map<string, string>();

/** A name that no other copy of this package has: a provider takes the place of the one before it of its name. */
function nameOf({ name }: FusedQkNorm): string {
  const own = registered.get(name);
  if (own !== undefined) return own;
  const taken = new Set(fusedQkNormProviders().map((provider) => provider.name));
  let free = name;
  for (let copy = 2; taken.has(free); copy++) free = `${name} (${copy})`;
  registered.set(name, free);
  return free;
}

/** Fused QK norm of tensors on the backends that have this kernel. */
class TensorQkNorm implements FusedQkNormProvider<Tensor> {
  readonly name: string;
  readonly qkNormRope: TensorQkNormRope;
  readonly #fused: FusedQkNorm;
  readonly #advice: () => string | null;

  constructor(fused: FusedQkNorm, advice: () => string | null) {
    this.name = nameOf(fused);
    this.qkNormRope = new TensorQkNormRope(fused);
    this.#fused = fused;
    this.#advice = advice;
  }

  get advice(): string | null {
    return this.#advice();
  }

  claims(x: unknown): boolean {
    return Tensor.is(x) && x.memory.backend.qkNorm === this.#fused;
  }

  prepare(call: Call): PreparedQkNorm<Tensor> | readonly Refusal[] {
    const checked = checkCall(call);
    if (!("q" in checked)) return checked;
    const run = this.#fused.prepare(checked);
    return typeof run === "function"
      ? new PreparedTensors(this.#fused, run, call, QkNormFit.of(call, checked))
      : run;
  }

  async warmUp(call: Call): Promise<void> {
    const checked = checkCall(call);
    if ("q" in checked) await this.#fused.warmUp?.(checked);
  }
}

class PreparedTensors implements PreparedQkNorm<Tensor> {
  readonly inPlace: boolean;
  readonly #fused: FusedQkNorm;
  readonly #run: QkNormRun;
  readonly #order: HeadOrder;
  readonly #fit: QkNormFit | null;
  /** Without a fit, the one call that it runs for. Let go of then: what is kept must not keep tensors alive. */
  #only: Call | null;

  constructor(fused: FusedQkNorm, run: QkNormRun, call: Call, fit: QkNormFit | null) {
    this.inPlace = call.allowInplace;
    this.#fused = fused;
    this.#run = run;
    this.#order = call.layout.order;
    this.#fit = fit;
    this.#only = fit === null ? call : null;
  }

  run(q: Tensor, k: Tensor): [Tensor, Tensor] | null {
    // Kernels that are no longer in use run nothing.
    if (!Tensor.is(q) || q.memory.backend.qkNorm !== this.#fused) return null;
    const tokens = this.#fit === null ? this.#once(q, k) : this.#fit.tokens(q, k);
    if (tokens === 0) return null;
    if (this.inPlace) return this.#run(q, k, q, k, tokens) ? [q, k] : null;
    return this.#runApart(q, k, tokens);
  }

  #once(q: Tensor, k: Tensor): number {
    const only = this.#only;
    if (only === null || q !== only.q || k !== only.k) return 0;
    this.#only = null;
    return only.layout.tokens;
  }

  #runApart(q: Tensor, k: Tensor, tokens: number): [Tensor, Tensor] | null {
    const qOut = emptyLike(q, this.#order);
    let kOut: Tensor | undefined;
    let ran = false;
    try {
      kOut = emptyLike(k, this.#order);
      ran = this.#run(q, k, qOut, kOut, tokens);
      return ran ? [qOut, kOut] : null;
    } finally {
      if (!ran) {
        qOut.dispose();
        kOut?.dispose();
      }
    }
  }
}
