import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import type { HeadLayout } from "./head-layout.ts";
import { type FallbackReason, type FusedPlan, planQkNorm, type QkNormPlan } from "./plan.ts";
import type { QkNormRequest } from "./request.ts";
import type { TensorLike } from "./tensor-like.ts";

/**
 * A plan in words, one line each: what runs, over which heads, and every reason that stands against the fused path.
 * Takes a plan, or a request to plan. Throws as `planQkNorm` does, and `ERR_QKNORM_ARGUMENT` for neither.
 */
export function explainQkNorm<T extends TensorLike<T>>(subject: QkNormPlan | QkNormRequest<T>): string {
  if (typeof subject !== "object" || subject === null) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `neither a plan nor a request: ${describe(subject)}`);
  }
  const plan = "path" in subject ? subject : planQkNorm(subject);
  if ((plan.path !== "fused" && plan.path !== "fallback") || !plan.layout) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `not a plan that planQkNorm made: path ${describe((plan as QkNormPlan).path)}`,
    );
  }
  const size = sizeInWords(plan.layout);
  if (plan.path === "fused") {
    const place = plan.inPlace ? "in place" : "out of place";
    return [`fused by ${plan.provider}, ${place}: ${size}`, ...adviceInWords(plan)].join("\n");
  }
  const streams = plan.streams === 2 ? "side by side on two streams" : "one after the other";
  return [`two norms, ${streams}: ${size}`, ...reasonsInWords(plan.reasons)].join("\n");
}

/** One indented line, where there is advice. */
export function adviceInWords({ advice }: Pick<FusedPlan, "advice">): string[] {
  return advice ? [`  ${advice}`] : [];
}

/** `3 tokens, 4 query heads and 2 KV heads of 8`. */
export function sizeInWords({ tokens, queryHeads, kvHeads, headDim }: HeadLayout): string {
  return `${tokens} token${tokens === 1 ? "" : "s"}, ${queryHeads} query heads and ${kvHeads} KV heads of ${headDim}`;
}

/** One line each, indented. */
export function reasonsInWords(reasons: readonly FallbackReason[]): string[] {
  return reasons.map(
    ({ code, detail, provider }) => `  ${code}: ${detail}${provider === undefined ? "" : ` (${provider})`}`,
  );
}
