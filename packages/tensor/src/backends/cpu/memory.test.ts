import { existsSync, readFileSync } from "node:fs";
import { kernelStatus, Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";

const canAdvise = existsSync("/sys/kernel/mm/transparent_hugepage/enabled") && kernelStatus().reason === null;

describe("memory of the CPU", () => {
  it.skipIf(!canAdvise)("asks for huge pages where it is large, and leaves small memory alone", () => {
    const before = advised();
    const small = Tensor.zeros([2 ** 18]);
    expect(advised()).toBe(before);
    const large = Tensor.zeros([2 ** 24]);
    expect(advised()).toBeGreaterThanOrEqual(before + 60 * 1024);
    expect(large.slice(0, 2 ** 24 - 3, 2 ** 24).toNumbers()).toEqual(Float64Array.of(0, 0, 0));
    expect(small.size).toBe(2 ** 18);
  });
});

/** KiB of this process for which huge pages were asked. */
function advised(): number {
  let [size, sum] = [0, 0];
  for (const line of readFileSync("/proc/self/smaps", "utf8").split("\n")) {
    if (line.startsWith("Size:")) size = Number.parseInt(line.slice(5), 10);
    if (line.startsWith("VmFlags:") && / hg( |$)/.test(line)) sum += size;
  }
  return sum;
}
