import { QkNormError } from "./errors.ts";
import { assertNormFits } from "./fallback.ts";
import type { HeadLayout } from "./head-layout.ts";
import { type FallbackReason, planQkNorm, type QkNormPlan } from "./plan.ts";
import type { FusedQkNormProvider } from "./provider.ts";
import type {
  FusedQkNormRope,
  FusedQkNormRopeCall,
  PreparedQkNormRope,
  QkNormRopeSteps,
} from "./qk-norm-rope-provider.ts";
import {
  type CheckedQkNormRope,
  checkQkNormRope,
  fusedQkNormRopeCall,
  type QkNormRopeRequest,
  tensorsForSteps,
} from "./qk-norm-rope-request.ts";
import { answerOfChain, claimsBoth, fusedQkNormProviders, guarded } from "./registry.ts";
import type { TensorLike } from "./tensor-like.ts";

/** Run the fused kernel of this provider. */
export interface FusedQkNormRopePlan {
  readonly path: "fused";
  readonly provider: string;
  /** What the kernel does, in order. */
  readonly steps: readonly QkNormRopeStep["step"][];
  readonly inPlace: boolean;
  readonly layout: HeadLayout;
  /** What would make it faster here, as the provider says. */
  readonly advice?: string | null | undefined;
}

/** One step of a chain that is not fused, and whose code runs it: the caller's, or a provider's by its name. */
export type QkNormRopeStep =
  /** The plan of `applyQkNorm`; null where one side alone has a norm. */
  | { readonly step: "norm"; readonly plan: QkNormPlan | null }
  | { readonly step: "rope" | "write"; readonly by: string };

/** Run the steps one after the other. */
export interface SteppedQkNormRopePlan {
  readonly path: "fallback";
  /** In order; none where there is nothing to do. */
  readonly steps: readonly QkNormRopeStep[];
  readonly reasons: readonly FallbackReason[];
  readonly layout: HeadLayout;
}

export type QkNormRopePlan = FusedQkNormRopePlan | SteppedQkNormRopePlan;

/** A plan with what is needed to run it. */
export type QkNormRopeDecision<T> =
  | {
      readonly plan: FusedQkNormRopePlan;
      readonly provider: FusedQkNormProvider<T>;
      readonly call: FusedQkNormRopeCall<T>;
      readonly prepared: PreparedQkNormRope<T>;
    }
  | {
      readonly plan: SteppedQkNormRopePlan;
      readonly checked: CheckedQkNormRope<T>;
      /** Null where the caller's own code does it all. */
      readonly steps: QkNormRopeSteps<T> | null;
    };

/**
 * Decides how `applyQkNormRope` would run a request, and runs nothing.
 *
 * Throws `QkNormError` for requests that are wrong on any path, as `planQkNorm` does, and `ERR_QKNORM_ARGUMENT` where
 * rope or cache is data alone and no provider claims q and k. Everything that merely prevents the fused path is a named
 * reason instead.
 */
export function planQkNormRope<T extends TensorLike<T>>(request: QkNormRopeRequest<T>): QkNormRopePlan {
  return decideQkNormRope(request).plan;
}

/** `planQkNormRope` with what was prepared at hand: what the plan calls fused runs without a further question. */
export function decideQkNormRope<T extends TensorLike<T>>(
  request: QkNormRopeRequest<T>,
): QkNormRopeDecision<T> {
  const checked = checkQkNormRope(request);
  const claiming = fusedQkNormProviders().filter((provider) =>
    claimsBoth(provider, checked.q, checked.k),
  ) as unknown as FusedQkNormProvider<T>[];
  const reasons = reasonsAgainstAny(checked, claiming.length);
  const call = fusedQkNormRopeCall(checked);
  if (reasons.length === 0 && call !== null) {
    for (const provider of claiming) {
      const { name, qkNormRope } = provider;
      if (qkNormRope === undefined) {
        reasons.push({ code: "kernel", detail: "it has no fused chain", provider: name });
        continue;
      }
      const answer = answerOfChain(provider, qkNormRope, call);
      if ("run" in answer) {
        const { inPlace } = answer;
        const steps = namesOf(checked);
        const { layout } = checked;
        const { advice } = provider;
        const plan = { path: "fused", provider: name, steps, inPlace, layout, advice } as const;
        return { plan, provider, call, prepared: answer };
      }
      reasons.push(...answer.map((refusal) => ({ ...refusal, provider: name })));
    }
  }
  return stepByStep(checked, reasons, claiming);
}

function stepByStep<T extends TensorLike<T>>(
  checked: CheckedQkNormRope<T>,
  reasons: readonly FallbackReason[],
  claiming: readonly FusedQkNormProvider<T>[],
): QkNormRopeDecision<T> {
  const { q, k, qNorm, kNorm, layout } = checked;
  if (qNorm !== null) assertNormFits(q, qNorm, layout, "q");
  if (kNorm !== null) assertNormFits(k, kNorm, layout, "k");
  const given = tensorsForSteps(checked);
  const provider = claiming.find(({ qkNormRope }) => qkNormRope !== undefined);
  const asked = Object.entries({ rope: given.rope, cache: given.cache }).filter(([, data]) => data !== null);
  if (asked.length > 0 && provider === undefined) {
    const [what] = asked[0] as [string, unknown];
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `${what} is data alone, and no registered provider claims q and k to run it; pass code: a function, or an object with ${what === "rope" ? "forward" : "write"}`,
    );
  }
  const chain = provider?.qkNormRope as FusedQkNormRope<T>;
  const steps =
    asked.length === 0 || provider === undefined
      ? null
      : guarded(provider, "qkNormRope.steps", () => chain.steps(given));
  const plan = { path: "fallback", steps: stepsOf(checked, provider?.name), reasons, layout } as const;
  return { plan, checked, steps };
}

/** The steps that a request asks for, in order. */
function namesOf<T>({ qNorm, kNorm, rope, cache, order }: CheckedQkNormRope<T>): QkNormRopeStep["step"][] {
  const norm = qNorm === null && kNorm === null ? [] : (["norm"] as const);
  const turn = rope === null ? [] : (["rope"] as const);
  const write = cache === null ? [] : (["write"] as const);
  return order === "norm-rope" ? [...norm, ...turn, ...write] : [...turn, ...norm, ...write];
}

function stepsOf<T extends TensorLike<T>>(
  checked: CheckedQkNormRope<T>,
  provider: string | undefined,
): QkNormRopeStep[] {
  const { q, k, qNorm, kNorm, rope, cache, layout, normOptions: options } = checked;
  const by = (code: unknown): string => (code === null ? (provider as string) : "caller");
  return namesOf(checked).map((step) => {
    if (step === "rope") return { step, by: by(rope?.turn) };
    if (step === "write") return { step, by: by(cache?.write) };
    const both = qNorm !== null && kNorm !== null;
    const plan = both ? planQkNorm({ q, k, qNorm, kNorm, headDim: layout.headDim, options }) : null;
    return { step, plan };
  });
}

function reasonsAgainstAny<T>(checked: CheckedQkNormRope<T>, claiming: number): FallbackReason[] {
  const { path, qSpec, kSpec, rope, cache } = checked;
  const reasons: FallbackReason[] = [];
  if (path === "fallback") reasons.push({ code: "requested", detail: "the caller asked for the steps" });
  if (claiming === 0) {
    reasons.push({ code: "no-provider", detail: "no registered provider claims both tensors" });
  }
  for (const [what, spec] of [
    ["the q norm", qSpec],
    ["the k norm", kSpec],
    ["rope", rope?.spec === null ? undefined : rope],
    ["the cache", cache?.spec === null ? undefined : cache],
  ] as const) {
    if (spec !== undefined) continue;
    reasons.push({ code: "no-spec", detail: `${what} declares no spec, so only its own code can run it` });
  }
  return reasons;
}
