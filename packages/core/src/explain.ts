import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import { planQkNorm, type QkNormPlan } from "./plan.ts";
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
