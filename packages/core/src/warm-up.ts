import { planQkNorm, type QkNormPlan } from "./plan.ts";
import { planQkNormRope, type QkNormRopePlan } from "./qk-norm-rope-plan.ts";
import { checkQkNormRope, fusedQkNormRopeCall, type QkNormRopeRequest } from "./qk-norm-rope-request.ts";
import { claimsBoth, fusedQkNormProviders } from "./registry.ts";
import { checkRequest, fusedCall, type QkNormRequest } from "./request.ts";
import type { TensorLike } from "./tensor-like.ts";

/**
 * Gets the kernels of a request ready off the main thread, for this and any other number of tokens, so that neither the
 * first call nor a capture has to compile. Resolves with the plan, which names what could not be made ready.
 *
 * Rejects with what `planQkNorm` throws.
 */
export async function warmUpQkNorm<T extends TensorLike<T>>(request: QkNormRequest<T>): Promise<QkNormPlan> {
  const checked = checkRequest(request);
  const call = fusedCall(checked);
  if (call !== null && checked.path === "auto") {
    const claiming = fusedQkNormProviders().filter((provider) => claimsBoth(provider, call.q, call.k));
    // What fails here fails again in the plan, which says so.
    await Promise.allSettled(claiming.map(async (provider) => provider.warmUp?.(call)));
  }
  return planQkNorm(request);
}

/** `warmUpQkNorm` for the chain. Rejects with what `planQkNormRope` throws. */
export async function warmUpQkNormRope<T extends TensorLike<T>>(
  request: QkNormRopeRequest<T>,
): Promise<QkNormRopePlan> {
  const checked = checkQkNormRope(request);
  const call = fusedQkNormRopeCall(checked);
  if (call !== null && checked.path === "auto") {
    const claiming = fusedQkNormProviders().filter((provider) => claimsBoth(provider, call.q, call.k));
    await Promise.allSettled(claiming.map(async ({ qkNormRope }) => qkNormRope?.warmUp?.(call)));
  }
  return planQkNormRope(request);
}
