import { wrongArgument } from "./errors.ts";
import type { FallbackReason, FusedPlan } from "./plan.ts";
import { processState } from "./process-state.ts";

/** Receives one sentence for each kind of fallback, at most once per process. */
export type QkNormLogger = (message: string, reason: FallbackReason) => void;

const state = processState<unknown, unknown, QkNormLogger>();
// biome-ignore lint/suspicious/noConsole: the one place that speaks by itself, so that no fallback is silent
const warn: QkNormLogger = (message) => console.warn(message);

/**
 * Sends the fallback sentences elsewhere; `null` turns them off. Returns the former logger. Throws
 * `ERR_QKNORM_ARGUMENT` for anything but a function or `null`.
 */
export function setQkNormLogger(next: QkNormLogger | null): QkNormLogger | null {
  if (next !== null && typeof next !== "function") {
    throw wrongArgument("the logger must be a function or null", next);
  }
  const { logger: former = warn } = state;
  state.logger = next;
  return former;
}

/**
 * Says each reason once per process; what happens while the logger is off counts as unsaid. `what` runs instead of the
 * fused kernel.
 */
export function logFallback(reasons: readonly FallbackReason[], what = "two separate norms"): void {
  for (const reason of reasons) {
    // Who asked for the fallback need not be told.
    if (reason.code === "requested") continue;
    sayOnce(reason, what, `${what} instead of the fused kernel: ${reason.detail}`);
  }
}

/** Says what would make a provider's calls faster, once per process and provider. */
export function logAdvice({ provider, advice }: Pick<FusedPlan, "provider" | "advice">): void {
  if (advice) sayOnce({ code: "slow-kernel", detail: advice, provider }, "", advice);
}

function sayOnce(reason: FallbackReason, kind: string, sentence: string): void {
  const { logger = warn, said } = state;
  const { code, provider } = reason;
  const key = `${kind}${provider ?? ""}/${code}`;
  if (logger === null || said.has(key)) return;
  said.add(key);
  logger(`qknorm: ${sentence}${provider ? ` (${provider})` : ""} [${code}]`, reason);
}
