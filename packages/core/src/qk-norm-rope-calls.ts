import { type CacheSlots, sameCacheMemory } from "./cache-like.ts";
import type { HeadOrder } from "./head-layout.ts";
import { copyNormSpec, type NormSpec, sameNormSpec } from "./norm-spec.ts";
import type { FusedQkNormProvider } from "./provider.ts";
import type {
  FusedQkNormRopeCall,
  PreparedQkNormRope,
  QkNormRopeOperands,
  QkNormRopeOrder,
} from "./qk-norm-rope-provider.ts";
import type { QkNormRopeOptions } from "./qk-norm-rope-request.ts";
import { providerError, registryIdentity, runPreparedChain } from "./registry.ts";
import { type RopeSpec, sameRopeSpec } from "./rope-like.ts";
import type { NormLike } from "./tensor-like.ts";

/** What was prepared, and all that it depends on besides the tensors, as it was then. */
interface PreparedCall {
  readonly qNorm: object | null;
  readonly kNorm: object | null;
  readonly headDim: number;
  readonly allowInplace: boolean;
  readonly headOrder: HeadOrder;
  readonly order: QkNormRopeOrder;
  readonly qSpec: NormSpec | null;
  readonly kSpec: NormSpec | null;
  readonly rope: RopeSpec | null;
  readonly cache: CacheSlots | null;
  readonly registry: object;
  readonly provider: FusedQkNormProvider;
  readonly prepared: PreparedQkNormRope<unknown>;
}

// By what a layer has of its own, and gone with it: its norm of q, or where it has none its tables or memory.
const byOwner = new WeakMap<object, PreparedCall[]>();
const mostPerOwner = 8;

/**
 * Runs a chain that was planned before, for tensors that lie as they did then. `null`, with nothing done, when any of it
 * is new, or where a part is code.
 */
export function runChainAgain<T>(
  q: T,
  k: T,
  qNorm: NormLike<T> | null,
  kNorm: NormLike<T> | null,
  options: QkNormRopeOptions<T>,
): [T, T] | null {
  const { rope = null, cache = null, v = null, path, positions } = options;
  if (path !== undefined && path !== "auto") return null;
  if (!isData(rope, "forward") || !isData(cache, "write") || (v === null) !== (cache === null)) return null;
  const [turn, store] = [rope as RopeSpec | null, cache as CacheSlots<T> | null];
  const calls = byOwner.get(ownerOf(qNorm, kNorm, turn, store) ?? nobody);
  if (calls === undefined) return null;
  const { allowInplace = true, layout = "tokens-first", order = "norm-rope", headDim } = options;
  for (let i = 0; i < calls.length; i++) {
    const call = calls[i] as PreparedCall;
    if (call.qNorm !== qNorm || call.kNorm !== kNorm || call.headDim !== headDim) continue;
    if (call.allowInplace !== allowInplace || call.headOrder !== layout || call.order !== order) continue;
    if (call.registry !== registryIdentity()) continue;
    if (!isSpec(call.qSpec, qNorm) || !isSpec(call.kSpec, kNorm)) continue;
    if (!sameRopeSpec(call.rope, turn) || !sameCacheMemory(call.cache, store)) continue;
    const result = attempt(call, { q, k, v, positions, slots: store?.slots });
    if (result === null) continue;
    if (i > 0) {
      calls[i] = calls[0] as PreparedCall;
      calls[0] = call;
    }
    return result;
  }
  return null;
}

/** A chain that was just planned. */
export interface PlannedChain<T> {
  readonly provider: FusedQkNormProvider<T>;
  readonly call: FusedQkNormRopeCall<T>;
  readonly prepared: PreparedQkNormRope<T>;
}

/** Runs a chain that was just planned, and keeps what was prepared for the next ones like it. */
export function runChainFirst<T>(
  { provider, call, prepared }: PlannedChain<T>,
  qNorm: NormLike<T> | null,
  kNorm: NormLike<T> | null,
): [T, T] {
  const registry = registryIdentity();
  const { q, k, v, positions, rope, cache, layout, allowInplace, order, qSpec, kSpec } = call;
  const result = runPreparedChain(provider, prepared, { q, k, v, positions, slots: cache?.slots });
  const owner = ownerOf(qNorm, kNorm, rope, cache);
  if (owner === null) return result;
  const calls = byOwner.get(owner) ?? [];
  const kept: PreparedCall = {
    ...{ qNorm, kNorm, allowInplace, order, rope, cache, registry },
    headDim: layout.headDim,
    headOrder: layout.order,
    qSpec: qSpec && copyNormSpec(qSpec),
    kSpec: kSpec && copyNormSpec(kSpec),
    provider: provider as unknown as FusedQkNormProvider,
    prepared: prepared as PreparedQkNormRope<unknown>,
  };
  const current = calls.filter((one) => one.registry === registry);
  byOwner.set(owner, [kept, ...current].slice(0, mostPerOwner));
  return result;
}

const nobody = {};

function ownerOf(
  qNorm: object | null,
  kNorm: object | null,
  rope: RopeSpec | null,
  cache: CacheSlots | null,
): object | null {
  const owner = qNorm ?? kNorm ?? cache?.k ?? rope?.cos ?? null;
  return typeof owner === "object" || typeof owner === "function" ? owner : null;
}

function isData(value: unknown, code: "forward" | "write"): boolean {
  return value === null || (typeof value === "object" && !(code in value));
}

function isSpec(then: NormSpec | null, norm: { readonly spec?: NormSpec | undefined } | null): boolean {
  if (then === null || norm === null) return then === norm;
  return norm.spec !== undefined && sameNormSpec(then, norm.spec);
}

function attempt<T>({ provider, prepared }: PreparedCall, operands: QkNormRopeOperands<T>): [T, T] | null {
  try {
    return (prepared as PreparedQkNormRope<T>).run(operands);
  } catch (error) {
    throw providerError(provider, "the prepared chain", error);
  }
}
