import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { applyQkNorm } from "@qknorm/core";
import { describe, expect, test } from "vitest";
import { norm, rms, specOn } from "../test/qk-norm-cases.ts";
import { missing } from "../test/stand-in.ts";
import { type Device, kernelStatus, Tensor } from "./index.ts";

setFlagsFromString("--expose-gc");
const collect: () => void = runInNewContext("gc");

/**
 * Bytes that a call leaves on the JS heap. The smallest of several looks: a collection may fall into one. Code that is not
 * optimised yet boxes numbers, and the thread that optimises it has to get its turn on a busy machine: it is waited for
 * between looks.
 */
async function heapPerCall(calls: number, call: () => void): Promise<number> {
  for (let i = 0; i < 2 * calls; i++) call();
  const looks: number[] = [];
  for (let look = 0; look < 30; look++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let i = 0; i < calls; i++) call();
    looks.push((process.memoryUsage().heapUsed - before) / calls);
  }
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
  test.skipIf(skipped !== "")(`allocates the pair it returns and nothing else${skipped}`, async () => {
    const qkv = Tensor.zeros([2, 6 * 64], "bf16", device);
    const spec = specOn(device, { ...rms, weight: Tensor.zeros([64]) });
    try {
      const [q, k] = qkv.split(1, [4 * 64, 64, 64]) as [Tensor, Tensor];
      const qkNorm = norm(spec);
      const options = { altStream: null };
      const calls = device === "cpu" ? 20_000 : 3_000;
      const bytes = await heapPerCall(calls, () => applyQkNorm(q, k, qkNorm, qkNorm, 64, options));
      expect(bytes).toBeGreaterThan(16);
      expect(bytes).toBeLessThan(80);
    } finally {
      for (const tensor of [qkv, spec.weight as Tensor]) tensor.dispose();
    }
  });
});
