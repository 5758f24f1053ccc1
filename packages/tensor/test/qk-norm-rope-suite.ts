// What applyQkNormRope promises on every device. Only vitest's test, describe, expect and hooks are used, so that the same
// file runs where there is a GPU and nothing else.
import { applyQkNormRope, type FloatDtype, planQkNormRope, setQkNormLogger } from "@qknorm/core";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Device, openDevice, type Tensor, tidy } from "../src/index.ts";
import { norm, wholeMemory } from "./qk-norm-cases.ts";
import { type ChainCase, chains, fixedChains, type Scene, sceneOf, unfused } from "./qk-norm-rope-cases.ts";
import { addresses } from "./view-model.ts";

export interface ChainSuiteOptions {
  /** Random chains to draw besides the fixed ones. */
  readonly runs: number;
  /** `bits`: those of the norm alone. `close`: the device computes the norm alone in another way. */
  readonly norms: "bits" | "close";
}

/** Declares the tests for the tensors of a device, which this provider has to take. */
export function qkNormRopeSuite(device: Device, provider: string, { runs, norms }: ChainSuiteOptions): void {
  let logger: ReturnType<typeof setQkNormLogger> = null;
  beforeAll(async () => {
    logger = setQkNormLogger(null);
    await openDevice(device);
  });
  afterAll(() => {
    setQkNormLogger(logger);
  });

  test.each(Object.entries(fixedChains))(
    "%s: the bits of norm, rotation and write in turn, and no other",
    (_, one) => {
      tidy(() => givesTheBitsOfThree(one));
    },
  );

  test.skipIf(runs === 0)(
    "any chain gives the bits of norm, rotation and write in turn, and touches nothing else",
    () => {
      fc.assert(
        fc.property(chains, (one) => tidy(() => givesTheBitsOfThree(one))),
        { numRuns: runs },
      );
    },
  );

  function givesTheBitsOfThree(one: ChainCase): void {
    const scene = sceneOf(one, device);
    const { q, k, v, options, caches } = scene;
    const expected = unfused(scene);
    const [qNorm, kNorm] = normsOf(scene);
    const held = [q, k, ...(v ? [v] : [])];
    const memories = [...new Set(held.map(({ memory }) => memory))].map(
      (memory) => held.find((x) => x.memory === memory) as Tensor,
    );
    const before = memories.map((x) => wholeMemory(x).clone().data);
    expect(planQkNormRope({ q, k, qNorm, kNorm, options })).toMatchObject({ path: "fused", provider });

    const [nq, nk] = applyQkNormRope(q, k, qNorm, kNorm, options);
    expect([nq === q, nk === k]).toEqual([one.allowInplace, one.allowInplace]);
    expect([nq.shape, nk.shape]).toEqual([q.shape, k.shape]);
    expectSame(nq, expected.q, one);
    expectSame(nk, expected.k, one);
    expectStored(scene, nk);
    if (caches && expected.caches && norms === "bits") {
      for (const side of ["k", "v"] as const)
        expect(bitsOf(caches[side])).toEqual(bitsOf(expected.caches[side]));
    }
    for (const [i, x] of memories.entries()) {
      const after = wholeMemory(x).clone().data;
      const written = one.allowInplace ? [q, k].filter(({ memory }) => memory === x.memory) : [];
      for (const address of written.flatMap(addresses)) after[address] = before[i]![address]!;
      expect(new Uint8Array(after.buffer)).toEqual(new Uint8Array(before[i]!.buffer));
    }
  }

  /** Of the k that came out, whatever it is, the cache has exactly the rows that a write alone gives. */
  function expectStored(scene: Scene, k: Tensor): void {
    const { caches } = scene;
    if (caches === null) return;
    const alone = unfused({ ...scene, k, qSpec: null, kSpec: null, rope: null }).caches;
    for (const side of ["k", "v"] as const) {
      expect(bitsOf(caches[side])).toEqual(bitsOf(alone![side]));
      if (caches.scales) expect(bitsOf(caches.scales[side])).toEqual(bitsOf(alone!.scales![side]));
    }
  }

  function expectSame(x: Tensor, y: Tensor, { dtype }: ChainCase): void {
    if (norms === "bits") {
      expect(bitsOf(x)).toEqual(bitsOf(y));
      return;
    }
    // A rounding of the norm that falls on the other side moves both of a pair.
    const step = { f32: 2 ** -20, bf16: 2 ** -6, f16: 2 ** -9 }[dtype as FloatDtype];
    const [got, wanted] = [x.clone().toNumbers(), y.toNumbers()];
    const far = got.findIndex(
      (value, i) => Math.abs(value - wanted[i]!) > step * Math.max(1, Math.abs(wanted[i]!)),
    );
    expect([far, got[far], wanted[far]]).toEqual([-1, undefined, undefined]);
  }
}

export function normsOf({ qSpec, kSpec }: Pick<Scene, "qSpec" | "kSpec">) {
  return [qSpec && norm(qSpec), kSpec && norm(kSpec)] as const;
}

export function bitsOf(x: Tensor): number[] {
  return Array.from(x.clone().to("cpu").data);
}
