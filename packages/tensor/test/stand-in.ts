// The stand-in driver for tests of tensors: it computes the norms, so that what is promised of a device can be tested
// without one.
import { join } from "node:path";
import { afterEach, beforeAll, beforeEach, expect } from "vitest";
import { folder, missing, notes, scripted } from "../../../native/test/cuda-fake.ts";
import { liveBytes, openDevice } from "../src/index.ts";

export { missing, notes, scripted };

// What the stand-in compiles is nothing for anyone's cache.
process.env.QKNORM_CACHE = join(folder, "cache");

/**
 * For each test of a `describe`: nothing but `settings` is scripted before it, and afterwards nothing is left or was touched
 * wrongly.
 */
export function expectCleanDevices(settings: Record<string, number> = {}): void {
  beforeAll(async () => {
    scripted(settings);
    for (const device of ["cuda:0", "cuda:1"] as const) await openDevice(device);
  });
  beforeEach(() => {
    scripted(settings);
    notes();
  });
  afterEach(() => {
    scripted(settings);
    expect([liveBytes("cuda:0"), liveBytes("cuda:1")]).toEqual([0, 0]);
    expect(notes().filter((note) => /^dead|in a graph|of nothing/.test(note))).toEqual([]);
  });
}
