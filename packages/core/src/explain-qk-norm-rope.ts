import { describe } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import { adviceInWords, explainQkNorm, reasonsInWords, sizeInWords } from "./explain.ts";
import { planQkNormRope, type QkNormRopePlan, type QkNormRopeStep } from "./qk-norm-rope-plan.ts";
import type { QkNormRopeRequest } from "./qk-norm-rope-request.ts";
import type { TensorLike } from "./tensor-like.ts";

/**
 * A plan of the chain in words: what runs, in which steps, and every reason that stands against the fused path.
 * Takes a plan, or a request to plan. Throws as `planQkNormRope` does, and `ERR_QKNORM_ARGUMENT` for neither.
 */
export function explainQkNormRope<T extends TensorLike<T>>(
  subject: QkNormRopePlan | QkNormRopeRequest<T>,
): string {
  if (typeof subject !== "object" || subject === null) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `neither a plan nor a request: ${describe(subject)}`);
  }
  const plan = "path" in subject ? subject : planQkNormRope(subject);
  if (!plan.layout || !Array.isArray(plan.steps)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `not a plan that planQkNormRope made: path ${describe((plan as QkNormRopePlan).path)}`,
    );
  }
  const size = sizeInWords(plan.layout);
  if (plan.path === "fused") {
    const place = plan.inPlace ? "in place" : "out of place";
    const line = `${inOneLine(plan.steps)} fused by ${plan.provider}, ${place}: ${size}`;
    return [line, ...adviceInWords(plan)].join("\n");
  }
  if (plan.steps.length === 0) return `nothing to do: ${size}`;
  return [`${plan.steps.map(stepInWords).join(", then ")}: ${size}`, ...reasonsInWords(plan.reasons)].join(
    "\n",
  );
}

function stepInWords(step: QkNormRopeStep): string {
  if (step.step !== "norm") return `${step.step} by ${step.by}`;
  if (step.plan === null) return "one norm";
  const [first] = explainQkNorm(step.plan).split("\n") as [string];
  return `norm (${first.slice(0, first.lastIndexOf(":"))})`;
}

/** `norm, rope and write`. */
function inOneLine(steps: readonly string[]): string {
  return [steps.slice(0, -1).join(", "), ...steps.slice(-1)].filter((part) => part !== "").join(" and ");
}
