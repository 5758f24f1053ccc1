import { expect } from "vitest";

/**
 * No limit of the clock: how long a long run takes depends on what else the machine does, and Node cannot end work that waits for nothing.
 * `withinProcessorTime` tells what is too slow.
 */
export const untimed = { timeout: 0 };

/** Runs `work` on so many cases, and fails where they take this process more than 100 ms each, and a minute, of the processor. */
export function withinProcessorTime<T>(cases: number, work: () => T): T {
  const before = process.cpuUsage();
  const result = work();
  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1e6).toBeLessThan(60 + 0.1 * cases);
  return result;
}
