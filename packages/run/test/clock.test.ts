import { afterEach, expect, it, vi } from "vitest";
import { ask } from "./run-here.ts";

// The time of day is set by people and by servers: it may go back, and leap. `Date` of this test does both.
const RealDate = Date;
let reads = 0;

class LeapingDate extends RealDate {
  constructor() {
    super(LeapingDate.now());
  }

  static override now(): number {
    reads += 1;
    return RealDate.UTC(2026, 0, 1) + (reads % 2 === 0 ? -1 : 1) * reads * 86_400_000;
  }
}

afterEach(() => {
  vi.unstubAllGlobals();
});

it("a clock that leaps and goes back changes no answer, and no time that is told", async () => {
  const args = ["--json", "--prompt", "20+22=", "1+1=", "9999+1="];
  const before = performance.now();
  const expected = await ask(args);
  vi.stubGlobal("Date", LeapingDate);
  const leaping = await ask(args);
  const most = (performance.now() - before) / 1000;
  vi.unstubAllGlobals();
  const answers = (stdout: string) =>
    stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
  const ids = (stdout: string) => answers(stdout).map((answer) => answer.ids);
  expect(ids(leaping.stdout)).toEqual(ids(expected.stdout));
  for (const { timings } of answers(leaping.stdout)) {
    for (const seconds of [timings.prefillSeconds, timings.decodeSeconds]) {
      expect(seconds).toBeGreaterThanOrEqual(0);
      expect(seconds).toBeLessThan(most);
    }
  }
});
