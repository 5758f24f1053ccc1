// Families on a device: transformers' logits, and the CPU's text.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Device, liveBytes, tidy } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { listModels } from "../src/families/model-types.ts";
import { generateNow } from "../src/generation/generate.ts";
import type { KvCache } from "../src/layers/kv-cache.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const golden = fileURLToPath(new URL("../golden", import.meta.url));

/** One recorded causal model of each family. */
const families = readdirSync(golden).flatMap((family) => {
  if (!existsSync(join(golden, family, "keys.json"))) return [];
  const dirs = readdirSync(join(golden, family)).map((name) => join(golden, family, name));
  const dir = dirs.find((path) => {
    const record = join(path, "golden.json");
    return existsSync(record) && JSON.parse(readFileSync(record, "utf8")).kind === "causal-lm";
  });
  if (dir === undefined || !listModels().includes(readConfig(dir).modelType)) return [];
  const { block = 1 } = JSON.parse(readFileSync(join(dir, "golden.json"), "utf8"));
  return [{ family, dir, block: block as number }];
});

/** `tokens`: so many at most go through the cache one by one, and are generated. */
export function deviceFamiliesSuite(device: Device, { tokens }: { readonly tokens: number }): void {
  describe.each(families)("$family", ({ dir, block }) => {
    it("has the logits of transformers, whole and token by token, the CPU's text, and no memory once disposed", () => {
      const file = openSafetensors(join(dir, "golden.safetensors"));
      const ids = file.read("ids") as Int32Array;
      const logits = file.read("logits") as Float32Array;
      file.close();
      const options = { dtype: "f32", blockLength: block } as const;
      const here = loadModel(dir, options).model;
      const before = liveBytes(device);
      using there = loadModel(dir, { ...options, device }).model;
      using cache = there.newCache();
      const logitsOf = (ids: ArrayLike<number>, into: KvCache): number[] =>
        tidy(() => [...there.forward(nextStep(ids, into), "all").toNumbers()]);
      expect(largestDifference(logitsOf(ids, cache), logits)).toBeLessThanOrEqual(1e-4);
      if (block === 1) {
        using again = there.newCache();
        const rows = [...ids].slice(0, tokens).flatMap((id) => logitsOf([id], again));
        expect(largestDifference(rows, logits.slice(0, rows.length))).toBeLessThanOrEqual(1e-4);
        const text = [...generateNow(there, [...ids], { maxTokens: tokens })];
        expect(text).toEqual([...generateNow(here, [...ids], { maxTokens: tokens })]);
      }
      cache.dispose();
      there.dispose();
      expect(liveBytes(device)).toBe(before);
    });
  });
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    // A NaN must not pass as "no difference".
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
