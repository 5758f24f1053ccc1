import { QkNormError } from "./errors.ts";
import type { HeadLayout } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";

/** Why a provider cannot run a call. Stable names; `detail` says what was seen. */
export type RefusalCode =
  | "dtype"
  | "weight-dtype"
  | "weight-shape"
  | "head-dim"
  | "layout"
  | "in-place"
  | "spec"
  | "kernel";

/** One condition of a provider that did not hold. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly detail: string;
}

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

/** A fused kernel for one kind of tensor. Registered once by the tensor library, never by model code. */
export interface FusedQkNormProvider<T = unknown> {
  /** Unique; registering the same name again replaces it. */
  readonly name: string;
  /** Whether this tensor is of the provider's library and device. Cheap, never throws. */
  claims(tensor: unknown): boolean;
  /**
   * Every condition that refuses the call; empty when it can run. Throws `QkNormError` where the call is wrong rather
   * than unsupported (overlapping q and k, a weight of the wrong length): a fallback would hide the mistake.
   */
  refusals(call: FusedQkNormCall<T>): readonly Refusal[];
  /** Runs the kernel. Returns tensors of the shapes of q and k (q and k themselves when in place). */
  run(call: FusedQkNormCall<T>): [T, T];
}

const providers = new Map<string, FusedQkNormProvider>();

/**
 * Makes a fused provider known to `applyQkNorm`. Providers are asked in the order of registration; the first that
 * claims both tensors and refuses nothing runs. Returns a function that takes the provider out again.
 *
 * Throws `ERR_QKNORM_PROVIDER` when the object is not a provider.
 */
export function registerFusedQkNorm<T>(provider: FusedQkNormProvider<T>): () => void {
  const candidate = provider as Partial<FusedQkNormProvider> | null | undefined;
  const methods = ["claims", "refusals", "run"] as const;
  if (
    typeof candidate?.name !== "string" ||
    candidate.name === "" ||
    methods.some((m) => typeof candidate[m] !== "function")
  ) {
    throw new QkNormError(
      "ERR_QKNORM_PROVIDER",
      "a fused provider needs a name and the methods claims, refusals and run",
    );
  }
  const registered = provider as unknown as FusedQkNormProvider;
  providers.set(registered.name, registered);
  return () => {
    if (providers.get(registered.name) === registered) providers.delete(registered.name);
  };
}

/** The registered providers, in the order they are asked. */
export function fusedQkNormProviders(): readonly FusedQkNormProvider[] {
  return [...providers.values()];
}
