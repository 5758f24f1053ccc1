import type { FallbackReason } from "./plan.ts";

/** Receives one sentence for each kind of fallback, at most once per process. */
export type QkNormLogger = (message: string, reason: FallbackReason) => void;

const seen = new Set<string>();
// biome-ignore lint/suspicious/noConsole: the one place that speaks by itself, so that no fallback is silent
let logger: QkNormLogger | null = (message) => console.warn(message);

/** Sends the fallback sentences elsewhere; `null` turns them off. Returns the former logger. */
export function setQkNormLogger(next: QkNormLogger | null): QkNormLogger | null {
  const former = logger;
  logger = next;
  return former;
}

/** Says each reason once per process. */
export function logFallback(reasons: readonly FallbackReason[]): void {
  for (const reason of reasons) {
    const key = `${reason.provider ?? ""}/${reason.code}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const who = reason.provider === undefined ? "" : ` (${reason.provider})`;
    logger?.(
      `qknorm: two separate norms instead of the fused kernel: ${reason.detail}${who} [${reason.code}]`,
      reason,
    );
  }
}
