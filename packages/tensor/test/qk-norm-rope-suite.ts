// What applyQkNormRope promises on every device. Only vitest's test, describe, expect and hooks are used, so that the same
// file runs where there is a GPU and nothing else.
import { applyQkNormRope, planQkNormRope, setQkNormLogger } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice, type Tensor, tidy } from "../src/index.ts";
import { norm, wholeMemory } from "./qk-norm-cases.ts";
import { type ChainCase, chains, type Scene, sceneOf, unfused } from "./qk-norm-rope-cases.ts";
import { addresses } from "./view-model.ts";

/** Declares the tests for the tensors of a device, which this provider has to take. */
export function qkNormRopeSuite(device: Device, provider: string): void {
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  const normsOf = ({ qSpec, kSpec }: Scene) => [qSpec && norm(qSpec), kSpec && norm(kSpec)] as const;
  const bitsOf = (x: Tensor) => Array.from(x.clone().to("cpu").data);

  test("norm, rotation and write in one give the bits of the three in turn, and nothing else is touched", () => {
    fc.assert(
      fc.property(chains, (one) => tidy(() => givesTheBitsOfThree(one))),
      { numRuns: 200 },
    );
  });

  function givesTheBitsOfThree(one: ChainCase): void {
    const scene = sceneOf(one, device);
    const expected = unfused(scene);
    const { q, k, v, options, caches } = scene;
    const [qNorm, kNorm] = normsOf(scene);
    const held = [q, k, ...(v ? [v] : [])];
    const memories = [...new Set(held.map(({ memory }) => memory))].map(
      (memory) => held.find((x) => x.memory === memory) as Tensor,
    );
    const before = memories.map((x) => wholeMemory(x).clone().data);
    const plan = planQkNormRope({ q, k, qNorm, kNorm, options });
    expect(plan).toMatchObject({ path: "fused", provider });

    const [nq, nk] = applyQkNormRope(q, k, qNorm, kNorm, options);
    expect([nq === q, nk === k]).toEqual([one.allowInplace, one.allowInplace]);
    expect([nq.shape, nk.shape]).toEqual([q.shape, k.shape]);
    expect(bitsOf(nq)).toEqual(bitsOf(expected.q));
    expect(bitsOf(nk)).toEqual(bitsOf(expected.k));
    if (caches && expected.caches) {
      expect(bitsOf(caches.k)).toEqual(bitsOf(expected.caches.k));
      expect(bitsOf(caches.v)).toEqual(bitsOf(expected.caches.v));
      if (caches.scales && expected.caches.scales) {
        expect(bitsOf(caches.scales.k)).toEqual(bitsOf(expected.caches.scales.k));
        expect(bitsOf(caches.scales.v)).toEqual(bitsOf(expected.caches.scales.v));
      }
    }
    for (const [i, x] of memories.entries()) {
      const after = wholeMemory(x).clone().data;
      const written = one.allowInplace ? [q, k].filter(({ memory }) => memory === x.memory) : [];
      for (const address of written.flatMap(addresses)) after[address] = before[i]![address]!;
      expect(new Uint8Array(after.buffer)).toEqual(new Uint8Array(before[i]!.buffer));
    }
  }
}
