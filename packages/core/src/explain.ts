import { planQkNorm, type QkNormPlan, type QkNormRequest } from "./plan.ts";
import type { TensorLike } from "./tensor-like.ts";

/**
 * A plan in words, one line each: what runs, over which heads, and every reason that stands against the fused path.
 * Takes a plan, or a request to plan.
 */
export function explainQkNorm<T extends TensorLike<T>>(subject: QkNormPlan | QkNormRequest<T>): string {
  const plan = "path" in subject ? subject : planQkNorm(subject);
  const { tokens, queryHeads, kvHeads, headDim } = plan.layout;
  const size = `${tokens} token${tokens === 1 ? "" : "s"}, ${queryHeads} query heads and ${kvHeads} KV heads of ${headDim}`;
  if (plan.path === "fused") {
    return `fused by ${plan.provider}, ${plan.inPlace ? "in place" : "out of place"}: ${size}`;
  }
  const streams = plan.streams === 2 ? "side by side on two streams" : "one after the other";
  const reasons = plan.reasons.map(
    ({ code, detail, provider }) => `  ${code}: ${detail}${provider === undefined ? "" : ` (${provider})`}`,
  );
  return [`two norms, ${streams}: ${size}`, ...reasons].join("\n");
}
