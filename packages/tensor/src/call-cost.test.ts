import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { applyQkNorm } from "@qknorm/core";
import { describe, expect, test } from "vitest";
import { norm, rms, specOn } from "../test/qk-norm-cases.ts";
import { missing } from "../test/stand-in.ts";
import { type Device, kernelStatus, Tensor, tidy } from "./index.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/**
 * Bytes that a call leaves on the JS heap. The smallest of several looks: a collection may fall into one, and on a busy
 * machine the optimising compiler takes a while to get its turn.
 */
function heapPerCall(calls: number, call: () => void): number {
  for (let i = 0; i < 2 * calls; i++) call();
  const looks = Array.from({ length: 10 }, () => {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < calls; i++) call();
    return (process.memoryUsage().heapUsed - before) / calls;
  });
  return Math.min(...looks.filter((bytes) => bytes > 0));
}

const native = kernelStatus().reason;
const devices: [Device, string][] = [
  ["cpu", native === null ? "" : ` (skipped: ${native})`],
  ["cuda:0", missing],
];

// A pair is 64 bytes: an array of two, and its elements. A launch noted by the stand-in driver takes a while, so there
// are few of them: what one call in a hundred allocates shows all the same.
describe.each(devices)("a repeated call on %s", (device, skipped) => {
  test.skipIf(skipped !== "")(`allocates the pair it returns and nothing else${skipped}`, () => {
    tidy(() => {
      const qkv = Tensor.zeros([2, 6 * 64], "bf16", device);
      const [q, k] = qkv.split(1, [4 * 64, 64, 64]) as [Tensor, Tensor];
      const qkNorm = norm(specOn(device, { ...rms, weight: Tensor.zeros([64]) }));
      const options = { altStream: null };
      const calls = device === "cpu" ? 20_000 : 3_000;
      const bytes = heapPerCall(calls, () => applyQkNorm(q, k, qkNorm, qkNorm, 64, options));
      expect(bytes).toBeGreaterThan(16);
      expect(bytes).toBeLessThan(80);
    });
  });
});
