import type { CacheSlots } from "./cache-like.ts";
import type { HeadLayout } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";
import type { Refusal } from "./refusal.ts";
import type { RopeSpec } from "./rope-like.ts";

/** Which of the two comes first. */
export type QkNormRopeOrder = "norm-rope" | "rope-norm";

/** The tensors of a chain and what rotates and stores them, already checked for shapes by core. */
export interface QkNormRopeTensors<T> {
  readonly q: T;
  readonly k: T;
  /** Null without a cache. */
  readonly v: T | null;
  /** Null: nothing turns, or the caller's own code turns it. */
  readonly rope: RopeSpec | null;
  readonly positions: unknown;
  /** Null: nothing is stored, or the caller's own code stores it. */
  readonly cache: CacheSlots | null;
  readonly layout: HeadLayout;
  /** Whether the caller lets q and k be overwritten. */
  readonly allowInplace: boolean;
}

/** One fused call. */
export interface FusedQkNormRopeCall<T> extends QkNormRopeTensors<T> {
  /** Null: that side has no norm. */
  readonly qSpec: NormSpec | null;
  readonly kSpec: NormSpec | null;
  readonly order: QkNormRopeOrder;
}

/** What changes between two calls whose tensors lie alike. */
export interface QkNormRopeOperands<T> {
  readonly q: T;
  readonly k: T;
  readonly v: T | null;
  readonly positions: unknown;
  readonly slots: unknown;
}

/** A chain that was checked in full, ready to run for its own tensors and for all that lie in memory as they do. */
export interface PreparedQkNormRope<T> {
  /** Whether q and k themselves are overwritten, and returned. */
  readonly inPlace: boolean;
  /** As `PreparedQkNorm.run`: `null`, with nothing done, unless all that was found out holds for these as well. */
  run(operands: QkNormRopeOperands<T>): [T, T] | null;
}

/** The steps of a chain that is not fused, for whoever gave rope or cache as data. */
export interface QkNormRopeSteps<T> {
  /** Turns `[..., H, D]` (`[..., H, T, D]` with heads first), in place if the call allows it; returns the result. */
  rotate(x: T): T;
  /** Stores the rows of k and v, in the shapes that the call has them. */
  write(k: T, v: T): void;
}

/** The chain of a provider: norm, rotation and cache write in one kernel, or as steps of its library. */
export interface FusedQkNormRope<T = unknown> {
  /** As `FusedQkNormProvider.prepare`: every condition that refuses the call, or the call ready to run. */
  prepare(call: FusedQkNormRopeCall<T>): PreparedQkNormRope<T> | readonly Refusal[];
  /**
   * The steps of a call, all arguments of which were checked: nothing may be found wrong once the first has run.
   * Throws `QkNormError` where the call is wrong.
   */
  steps(call: QkNormRopeTensors<T>): QkNormRopeSteps<T>;
  /** Makes ready, off the main thread, what `prepare` and `run` would otherwise make at once; for any tokens. */
  warmUp?(call: FusedQkNormRopeCall<T>): Promise<void>;
}
