import { appendFileSync } from "node:fs";
import * as fc from "fast-check";

/**
 * Holds random cases to `check`: `cases` of them, or as many as `FUZZ_SECONDS` allow, which `npm run fuzz:inputs` sets. How many
 * they were is then appended to the file of `FUZZ_REPORT`.
 */
export function fuzz<T>(
  target: string,
  cases: number,
  arbitrary: fc.Arbitrary<T>,
  check: (value: T) => void,
): void {
  let done = 0;
  const property = fc.property(arbitrary, (value) => {
    done++;
    check(value);
  });
  fc.assert(property, limits(cases));
  record(target, done);
}

/** `fuzz` for a check that takes its time. */
export async function fuzzAsync<T>(
  target: string,
  cases: number,
  arbitrary: fc.Arbitrary<T>,
  check: (value: T) => Promise<void>,
): Promise<void> {
  let done = 0;
  const property = fc.asyncProperty(arbitrary, async (value) => {
    done++;
    await check(value);
  });
  await fc.assert(property, limits(cases));
  record(target, done);
}

const seconds = Number(process.env.FUZZ_SECONDS ?? 0);

/** Milliseconds that a test may take which calls `fuzz`. */
export const fuzzTimeout = 60_000 + seconds * 2000;

function limits(cases: number): fc.Parameters<unknown> {
  return seconds > 0 ? { numRuns: 2 ** 31, interruptAfterTimeLimit: seconds * 1000 } : { numRuns: cases };
}

function record(target: string, cases: number): void {
  const report = process.env.FUZZ_REPORT;
  if (report !== undefined) appendFileSync(report, `${JSON.stringify({ target, cases, seconds })}\n`);
}
