import type { HeadOrder } from "./head-layout.ts";
import { copyNormSpec, type NormSpec, sameNormSpec } from "./norm-spec.ts";
import type { FusedQkNormCall, FusedQkNormProvider, PreparedQkNorm } from "./provider.ts";
import { providerError, registryIdentity, runPrepared } from "./registry.ts";
import type { NormLike } from "./tensor-like.ts";

/** What was prepared, and all that it depends on besides the tensors, as it was then. */
interface PreparedCall {
  readonly kNorm: object;
  readonly headDim: number;
  readonly allowInplace: boolean;
  readonly order: HeadOrder;
  readonly qSpec: NormSpec;
  readonly kSpec: NormSpec;
  readonly registry: object;
  readonly provider: FusedQkNormProvider;
  readonly prepared: PreparedQkNorm<unknown>;
}

// By the norm of q, and gone with it: a model has one for each layer. Several for each, since tensors of several layouts
// may come by; the one used last is first.
const byNorm = new WeakMap<object, PreparedCall[]>();
const mostPerNorm = 8;

/**
 * Runs a call that was planned before, for tensors that lie as they did then. `null`, with nothing done, when any of it
 * is new. On the way to the kernel nothing is allocated: this is what a call costs in every layer of every step.
 */
export function runAgain<T>(
  q: T,
  k: T,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
  headDim: number,
  allowInplace: unknown,
  order: unknown,
): [T, T] | null {
  const calls = byNorm.get(qNorm);
  if (calls === undefined) return null;
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as PreparedCall;
    if (call.kNorm !== kNorm || call.headDim !== headDim || call.allowInplace !== allowInplace) continue;
    if (call.order !== order || call.registry !== registryIdentity()) continue;
    if (!isSpec(call.qSpec, qNorm.spec) || !isSpec(call.kSpec, kNorm.spec)) continue;
    const result = attempt(call, q, k);
    if (result === null) continue;
    if (i > 0) {
      calls[i] = calls[0] as PreparedCall;
      calls[0] = call;
    }
    return result;
  }
  return null;
}

/** A call that was just planned. */
export interface Planned<T> {
  readonly provider: FusedQkNormProvider<T>;
  readonly call: FusedQkNormCall<T>;
  readonly prepared: PreparedQkNorm<T>;
}

/** Runs a call that was just planned, and keeps what was prepared for the next ones like it. */
export function runFirst<T>(
  { provider, call, prepared }: Planned<T>,
  qNorm: NormLike<T>,
  kNorm: NormLike<T>,
): [T, T] {
  const registry = registryIdentity();
  const result = runPrepared(provider, prepared, call);
  keep(qNorm, {
    kNorm,
    headDim: call.layout.headDim,
    allowInplace: call.allowInplace,
    order: call.layout.order,
    qSpec: copyNormSpec(call.qSpec),
    kSpec: copyNormSpec(call.kSpec),
    registry,
    provider: provider as unknown as FusedQkNormProvider,
    prepared: prepared as PreparedQkNorm<unknown>,
  });
  return result;
}

function isSpec(then: NormSpec, now: NormSpec | undefined): boolean {
  return now !== undefined && sameNormSpec(then, now);
}

function attempt<T>({ provider, prepared }: PreparedCall, q: T, k: T): [T, T] | null {
  try {
    return (prepared as PreparedQkNorm<T>).run(q, k);
  } catch (error) {
    throw providerError(provider, "the prepared run", error);
  }
}

function keep(qNorm: object, call: PreparedCall): void {
  const calls = byNorm.get(qNorm) ?? [];
  const current = calls.filter(({ registry }) => registry === call.registry);
  byNorm.set(qNorm, [call, ...current].slice(0, mostPerNorm));
}
