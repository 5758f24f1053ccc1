import { describe } from "./describe.ts";
import { isQkNormError, QkNormError } from "./errors.ts";
import { processState } from "./process-state.ts";
import type { FusedQkNormCall, FusedQkNormProvider, PreparedQkNorm } from "./provider.ts";
import type {
  FusedQkNormRope,
  FusedQkNormRopeCall,
  PreparedQkNormRope,
  QkNormRopeOperands,
} from "./qk-norm-rope-provider.ts";
import type { Refusal } from "./refusal.ts";
import { assertShape, shapeOf } from "./tensor-like.ts";

/** One registration; the name is the one that the provider had then. */
interface Registration {
  readonly name: string;
  readonly provider: FusedQkNormProvider;
}

const state = processState<Registration>();

/**
 * Makes a fused provider known to `applyQkNorm`, for all copies of this package in the process. Providers are asked in
 * the order of registration; the first that claims both tensors and refuses nothing runs. Returns a function that takes
 * this registration out again, and no later one of the same name.
 *
 * Throws `ERR_QKNORM_PROVIDER` when the object is not a provider.
 */
export function registerFusedQkNorm<T>(provider: FusedQkNormProvider<T>): () => void {
  const candidate = provider as Partial<FusedQkNormProvider> | null | undefined;
  const { name, claims, prepare } = candidate ?? {};
  if (
    typeof name !== "string" ||
    name === "" ||
    typeof claims !== "function" ||
    typeof prepare !== "function"
  ) {
    throw new QkNormError(
      "ERR_QKNORM_PROVIDER",
      "a fused provider needs a name and the methods claims and prepare",
    );
  }
  const registration = { name, provider: provider as unknown as FusedQkNormProvider };
  const { registrations } = state;
  const place = registrations.findIndex((one) => one.name === name);
  state.registrations =
    place < 0
      ? [...registrations, registration]
      : registrations.map((one, i) => (i === place ? registration : one));
  return () => {
    state.registrations = state.registrations.filter((one) => one !== registration);
  };
}

/** The registered providers, in the order they are asked. */
export function fusedQkNormProviders(): readonly FusedQkNormProvider[] {
  return state.registrations.map(({ provider }) => provider);
}

/** Another object whenever a provider comes or goes. */
export function registryIdentity(): object {
  return state.registrations;
}

/** Whether the provider claims both tensors. Throws `ERR_QKNORM_PROVIDER` for an answer that is not a boolean. */
export function claimsBoth(provider: FusedQkNormProvider, q: unknown, k: unknown): boolean {
  return [q, k].every((tensor) => {
    const answer: unknown = guarded(provider, "claims", () => provider.claims(tensor));
    if (typeof answer === "boolean") return answer;
    throw broken(provider, `claims must return a boolean, got ${describe(answer)}`);
  });
}

/** The provider's answer about a call. Throws `ERR_QKNORM_PROVIDER` for anything else than a prepared call or refusals. */
export function answerOf<T>(
  provider: FusedQkNormProvider<T>,
  call: FusedQkNormCall<T>,
): PreparedQkNorm<T> | readonly Refusal[] {
  const answer: unknown = guarded(provider, "prepare", () => provider.prepare(call));
  if (Array.isArray(answer)) return readRefusals(provider, answer);
  const { run, inPlace } = (answer ?? {}) as Partial<PreparedQkNorm<T>>;
  if (typeof run === "function" && typeof inPlace === "boolean") return answer as PreparedQkNorm<T>;
  throw broken(
    provider,
    `prepare must return an object with run and inPlace, or a list of refusals, got ${describe(answer)}`,
  );
}

/** `answerOf` for the provider's chain. */
export function answerOfChain<T>(
  provider: FusedQkNormProvider<T>,
  chain: FusedQkNormRope<T>,
  call: FusedQkNormRopeCall<T>,
): PreparedQkNormRope<T> | readonly Refusal[] {
  const answer: unknown = guarded(provider, "qkNormRope.prepare", () => chain.prepare(call));
  if (Array.isArray(answer)) return readRefusals(provider, answer);
  const { run, inPlace } = (answer ?? {}) as Partial<PreparedQkNormRope<T>>;
  if (typeof run === "function" && typeof inPlace === "boolean") return answer as PreparedQkNormRope<T>;
  throw broken(
    provider,
    `qkNormRope.prepare must return an object with run and inPlace, or a list of refusals, got ${describe(answer)}`,
  );
}

/** Runs a chain that was just prepared for these operands. Throws as `runPrepared` does. */
export function runPreparedChain<T>(
  provider: FusedQkNormProvider<T>,
  prepared: PreparedQkNormRope<T>,
  operands: QkNormRopeOperands<T>,
): [T, T] {
  return checkedResult(provider, operands, "the prepared chain", () => prepared.run(operands));
}

/** Runs what was just prepared for this very call. Throws `ERR_QKNORM_PROVIDER` unless the result is what it promised. */
export function runPrepared<T>(
  provider: FusedQkNormProvider<T>,
  prepared: PreparedQkNorm<T>,
  call: FusedQkNormCall<T>,
): [T, T] {
  return checkedResult(provider, call, "the prepared run", () => prepared.run(call.q, call.k));
}

function checkedResult<T>(
  provider: Named,
  given: { readonly q: T; readonly k: T },
  method: string,
  run: () => unknown,
): [T, T] {
  const shapes = [shapeOf(given.q, "q"), shapeOf(given.k, "k")] as const;
  const result = guarded(provider, method, run);
  if (!Array.isArray(result) || result.length !== 2) {
    throw broken(provider, `${method} must return [q, k], got ${describe(result)}`);
  }
  const [q, k] = result as [T, T];
  if (q !== given.q) assertShape(q, shapes[0], `the q of provider ${provider.name}`, "ERR_QKNORM_PROVIDER");
  if (k !== given.k) assertShape(k, shapes[1], `the k of provider ${provider.name}`, "ERR_QKNORM_PROVIDER");
  return [q, k];
}

/** A provider's `QkNormError` is about the call and passes; anything else is the provider's own fault and gets its name. */
export function providerError(provider: Named, method: string, error: unknown): Error {
  if (isQkNormError(error)) return error;
  const what = error instanceof Error ? error.message : describe(error);
  return broken(provider, `${method} failed: ${what}`, { cause: error });
}

type Named = Pick<FusedQkNormProvider, "name">;

// No refusals and nothing to run: a provider that would leave the call to nobody.
function readRefusals(provider: Named, answer: readonly unknown[]): Refusal[] {
  if (answer.length === 0) {
    throw broken(provider, "prepare returned an empty list: it must say why it refuses, or what to run");
  }
  return answer.map((refusal) => {
    const { code, detail } = (refusal ?? {}) as Partial<Refusal>;
    if (typeof code !== "string" || typeof detail !== "string") {
      throw broken(provider, `a refusal needs a code and a detail, got ${describe(refusal)}`);
    }
    return { code, detail };
  });
}

/** Runs a method of a provider; what it throws comes out as `providerError` says. */
export function guarded<R>(provider: Named, method: string, call: () => R): R {
  try {
    return call();
  } catch (error) {
    throw providerError(provider, method, error);
  }
}

function broken(provider: Named, what: string, options?: ErrorOptions): QkNormError {
  return new QkNormError("ERR_QKNORM_PROVIDER", `provider ${provider.name}: ${what}`, options);
}
