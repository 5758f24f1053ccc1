import type { HeadLayout } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";
import type { FusedQkNormRope } from "./qk-norm-rope-provider.ts";
import type { Refusal } from "./refusal.ts";

/** One fused call, already checked for shapes by core. */
export interface FusedQkNormCall<T> {
  readonly q: T;
  readonly k: T;
  readonly qSpec: NormSpec;
  readonly kSpec: NormSpec;
  readonly layout: HeadLayout;
  /** Whether the caller lets q and k be overwritten. */
  readonly allowInplace: boolean;
}

/** A call that was checked in full, ready to run for its own tensors and for all that lie in memory as they do. */
export interface PreparedQkNorm<T> {
  /** Whether q and k themselves are overwritten, and returned. */
  readonly inPlace: boolean;
  /**
   * Runs for these tensors and returns tensors of their shapes (q and k themselves when in place); or returns `null`,
   * having done nothing, unless all that was found out about the call holds for them and now. Core then asks again. For
   * the tensors of the call itself, right after it was asked, it runs.
   */
  run(q: T, k: T): [T, T] | null;
}

/** A fused kernel for one kind of tensor. Registered once by the tensor library, never by model code. */
export interface FusedQkNormProvider<T = unknown> {
  /** Unique; registering the same name again replaces the provider, in its place in the order. */
  readonly name: string;
  /**
   * Whether this tensor is of the provider's library and device. It depends on those alone, is cheap and never throws:
   * core asks once for all tensors that a prepared call runs for.
   */
  claims(tensor: unknown): boolean;
  /**
   * The one question about a call: every condition that refuses it, or the call ready to run. It changes nothing that a
   * caller sees. Throws `QkNormError` where the call is wrong rather than unsupported (overlapping q and k, a weight of
   * the wrong length): a fallback would hide the mistake.
   */
  prepare(call: FusedQkNormCall<T>): PreparedQkNorm<T> | readonly Refusal[];
  /** Makes ready, off the main thread, what `prepare` and `run` would otherwise make at once; for any tokens. */
  warmUp?(call: FusedQkNormCall<T>): Promise<void>;
  /** In a sentence, what would make its calls faster here, if anything: explained with each plan, and said once at the first call. */
  readonly advice?: string | null | undefined;
  /** The chain of `applyQkNormRope`, where the library has it. */
  readonly qkNormRope?: FusedQkNormRope<T> | undefined;
}
