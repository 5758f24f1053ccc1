import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type CudaDeviceName, Indices, type Tensor, tidy, writeCache } from "../src/index.ts";
import { headDims, inGaps } from "./device-tensors.ts";
import { gapped } from "./naive-ops.ts";
import { dtypes, random, seeds } from "./random-tensors.ts";

/** Tests of what is written into caches on a device, against the CPU. */
export function writeCacheSuite(device: CudaDeviceName, numRuns: number): void {
  test("writeCache is the CPU's to the bit, whatever the strides, and writes nothing else", () => {
    fc.assert(
      fc.property(
        fc.record({
          dtype: dtypes,
          cacheDtype: dtypes,
          headDim: headDims,
          kvHeads: fc.constantFrom(1, 2, 3),
          gap: fc.boolean(),
        }),
        fc.uniqueArray(fc.nat(40), { minLength: 1, maxLength: 20 }),
        seeds,
        ({ dtype, cacheDtype, headDim, kvHeads, gap }, slots, seed) => {
          const shape = [slots.length, kvHeads, headDim] as const;
          const [k, v] = [1, 2].map((at) =>
            gap
              ? gapped(random(seed + at, shape, dtype).toNumbers(), shape, dtype, 3)
              : random(seed + at, shape, dtype),
          ) as [Tensor, Tensor];
          const caches = [3, 4].map((at) => random(seed + at, [41, kvHeads, headDim], cacheDtype)) as [
            Tensor,
            Tensor,
          ];
          tidy(() => {
            const there = caches.map((cache) => cache.to(device)) as [Tensor, Tensor];
            const [a, b] = [k, v].map((x) => inGaps(x, device, gap)) as [Tensor, Tensor];
            writeCache(a, b, ...there, Indices.from(slots));
            writeCache(k, v, ...caches, Indices.from(slots));
            for (const i of [0, 1] as const) expect(there[i].to("cpu").data).toEqual(caches[i].data);
          });
        },
      ),
      { numRuns },
    );
  });
}
