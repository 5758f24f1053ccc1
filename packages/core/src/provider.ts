import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import type { HeadLayout } from "./head-layout.ts";
import type { NormSpec } from "./norm-spec.ts";
import { assertShape, shapeOf } from "./tensor-like.ts";

/** Why a provider cannot run a call. Stable names; `detail` says what was seen. */
export type RefusalCode =
  | "dtype"
  | "weight-dtype"
  | "weight-device"
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

/** A call that was checked in full once, ready for tensors that lie in memory as that call's do. */
export interface PreparedQkNorm<T> {
  /**
   * Runs for these tensors and returns what the provider's `run` would; or returns `null`, having done nothing, unless
   * every answer that the provider gave about the call holds for them and now: `claims`, no `refusals`, no error.
   */
  run(q: T, k: T): [T, T] | null;
}

/** A fused kernel for one kind of tensor. Registered once by the tensor library, never by model code. */
export interface FusedQkNormProvider<T = unknown> {
  /** Unique; registering the same name again replaces the provider, in its place in the order. */
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
  /**
   * Prepares a call that nothing refuses, so that calls like it need not be planned again: core keeps the answer, and
   * asks it alone while norms, options and providers stay the same. `null` where the call is too odd for that.
   */
  prepare?(call: FusedQkNormCall<T>): PreparedQkNorm<T> | null;
  /** Makes ready, off the main thread, what `refusals` and `run` would otherwise make at once; for any tokens. */
  warmUp?(call: FusedQkNormCall<T>): Promise<void>;
}

const providers = new Map<string, FusedQkNormProvider>();
let generation = 0;

/** Changes whenever a provider comes or goes. */
export function providerGeneration(): number {
  return generation;
}

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
    methods.some((m) => typeof candidate[m] !== "function") ||
    (candidate.prepare !== undefined && typeof candidate.prepare !== "function")
  ) {
    throw new QkNormError(
      "ERR_QKNORM_PROVIDER",
      "a fused provider needs a name and the methods claims, refusals and run; prepare may be left out",
    );
  }
  const registered = provider as unknown as FusedQkNormProvider;
  const { name } = registered;
  providers.set(name, registered);
  generation += 1;
  return () => {
    if (providers.get(name) !== registered) return;
    providers.delete(name);
    generation += 1;
  };
}

/** The registered providers, in the order they are asked. */
export function fusedQkNormProviders(): readonly FusedQkNormProvider[] {
  return [...providers.values()];
}

/** Whether the provider claims both tensors. Throws `ERR_QKNORM_PROVIDER` for an answer that is not a boolean. */
export function claimsBoth(provider: FusedQkNormProvider, q: unknown, k: unknown): boolean {
  return [q, k].every((tensor) => {
    const answer: unknown = guard(provider, "claims", () => provider.claims(tensor));
    if (typeof answer === "boolean") return answer;
    throw broken(provider, `claims must return a boolean, got ${describe(answer)}`);
  });
}

/** The provider's refusals of a call. Throws `ERR_QKNORM_PROVIDER` for anything but a list of codes with details. */
export function refusalsOf<T>(provider: FusedQkNormProvider<T>, call: FusedQkNormCall<T>): Refusal[] {
  const answer: unknown = guard(provider, "refusals", () => provider.refusals(call));
  if (!Array.isArray(answer))
    throw broken(provider, `refusals must return an array, got ${describe(answer)}`);
  return answer.map((refusal: Partial<Refusal> | null | undefined) => {
    const { code, detail } = refusal ?? {};
    if (typeof code !== "string" || typeof detail !== "string") {
      throw broken(provider, `a refusal needs a code and a detail, got ${describe(refusal)}`);
    }
    return { code, detail };
  });
}

/** Runs a call. Throws `ERR_QKNORM_PROVIDER` unless the result is q and k, or tensors of their shapes. */
export function runFused<T>(provider: FusedQkNormProvider<T>, call: FusedQkNormCall<T>): [T, T] {
  return checkedResult(provider, call, "run", () => provider.run(call));
}

/** Prepares a call. `null` where the provider does not. Throws `ERR_QKNORM_PROVIDER` for anything else without `run`. */
export function preparedBy<T>(
  provider: FusedQkNormProvider<T>,
  call: FusedQkNormCall<T>,
): PreparedQkNorm<T> | null {
  if (provider.prepare === undefined) return null;
  const prepared: unknown = guard(provider, "prepare", () => provider.prepare?.(call));
  if (prepared === null) return null;
  if (typeof (prepared as Partial<PreparedQkNorm<T>> | undefined)?.run === "function") {
    return prepared as PreparedQkNorm<T>;
  }
  throw broken(provider, `prepare must return an object with run, or null, got ${describe(prepared)}`);
}

/** Runs what was just prepared for this very call. Throws as `runFused` does. */
export function runPrepared<T>(
  provider: FusedQkNormProvider<T>,
  prepared: PreparedQkNorm<T>,
  call: FusedQkNormCall<T>,
): [T, T] {
  return checkedResult(provider, call, "the prepared run", () => prepared.run(call.q, call.k));
}

function checkedResult<T>(
  provider: FusedQkNormProvider<T>,
  call: FusedQkNormCall<T>,
  method: string,
  run: () => unknown,
): [T, T] {
  const shapes = [shapeOf(call.q, "q"), shapeOf(call.k, "k")] as const;
  const result = guard(provider, method, run);
  if (!Array.isArray(result) || result.length !== 2) {
    throw broken(provider, `${method} must return [q, k], got ${describe(result)}`);
  }
  const [q, k] = result as [T, T];
  if (q !== call.q) assertShape(q, shapes[0], `the q of provider ${provider.name}`, "ERR_QKNORM_PROVIDER");
  if (k !== call.k) assertShape(k, shapes[1], `the k of provider ${provider.name}`, "ERR_QKNORM_PROVIDER");
  return [q, k];
}

type Named = Pick<FusedQkNormProvider, "name">;

function guard<R>(provider: Named, method: string, call: () => R): R {
  try {
    return call();
  } catch (error) {
    throw providerError(provider, method, error);
  }
}

/** A provider's `QkNormError` is about the call and passes; anything else is the provider's own fault and gets its name. */
export function providerError(provider: Named, method: string, error: unknown): QkNormError {
  if (error instanceof QkNormError) return error;
  const what = error instanceof Error ? error.message : describe(error);
  return broken(provider, `${method} failed: ${what}`, { cause: error });
}

function broken(provider: Named, what: string, options?: ErrorOptions): QkNormError {
  return new QkNormError("ERR_QKNORM_PROVIDER", `provider ${provider.name}: ${what}`, options);
}
