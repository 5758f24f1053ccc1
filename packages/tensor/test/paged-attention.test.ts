import type { QkNormErrorCode } from "@qknorm/core";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import {
  attention,
  convert,
  type FloatDtype,
  Indices,
  type KernelChoice,
  pagedAttention,
  type Tensor,
  useKernels,
  writeCache,
} from "../src/index.ts";
import { failure } from "./errors.ts";
import { gathered, limits, pagedScene } from "./paged-scene.ts";
import { dtypes, random } from "./random-tensors.ts";

const choices: KernelChoice[] =
  loadNativeKernels().reason === null ? ["typescript", "native"] : ["typescript"];

describe.each(choices)("a paged cache on the CPU, %s kernels", (choice) => {
  let former: KernelChoice = "auto";
  beforeEach(() => {
    former = useKernels(choice);
  });
  afterEach(() => {
    useKernels(former);
  });

  test("each sequence gets what attention over its keys alone gives", () => {
    fc.assert(
      fc.property(
        fc.record({
          sequences: fc.array(fc.tuple(fc.nat(5), fc.nat(20)), { minLength: 1, maxLength: 4 }),
          kvHeads: fc.integer({ min: 1, max: 2 }),
          group: fc.integer({ min: 1, max: 3 }),
          headDim: fc.integer({ min: 1, max: 20 }),
          pageSize: fc.integer({ min: 1, max: 9 }),
          dtype: dtypes,
          cacheDtype: dtypes,
        }),
        limits,
        fc.constantFrom<"once" | "hf">("once", "hf"),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (sizes, span, rounding, seed) => {
          const numbers = { ...span, rounding, scale: sizes.headDim ** -0.5 };
          const { q, kCache, vCache, options, slots } = pagedScene(seed, sizes, numbers);
          const out = pagedAttention(q, kCache, vCache, options);
          const wide = sizes.cacheDtype !== sizes.dtype && rounding === "once" ? "f32" : sizes.dtype;
          let start = 0;
          sizes.sequences.forEach(([queries, past], b) => {
            const end = start + queries;
            if (queries > 0) {
              const [k, v] = [kCache, vCache].map((cache) =>
                convert(gathered(cache, slots[b] as readonly number[]), wide),
              ) as [Tensor, Tensor];
              const alone = attention(convert(q.slice(0, start, end), wide), k, v, { ...numbers, past });
              expect(out.slice(0, start, end).toNumbers()).toEqual(convert(alone, sizes.dtype).toNumbers());
            }
            start = end;
          });
        },
      ),
      { numRuns: 100 },
    );
  });

  test("writeCache puts each token into its slot, rounded once, and nothing anywhere else", () => {
    fc.assert(
      fc.property(
        dtypes,
        dtypes,
        fc.uniqueArray(fc.nat(30), { maxLength: 12 }),
        fc.integer({ min: 1, max: 2 ** 30 }),
        (dtype, cacheDtype, slots, seed) => {
          const [k, v] = [1, 2].map((at) => random(seed + at, [slots.length, 2, 5], dtype)) as [
            Tensor,
            Tensor,
          ];
          const caches = [3, 4].map((at) => random(seed + at, [31, 2, 5], cacheDtype)) as [Tensor, Tensor];
          const expected = caches.map((cache) => cache.clone()) as [Tensor, Tensor];
          writeCache(k, v, ...caches, Indices.from(slots));
          slots.forEach((slot, t) => {
            [k, v].forEach((x, i) => {
              expected[i]?.slice(0, slot, slot + 1).copyFrom(convert(x.slice(0, t, t + 1), cacheDtype));
            });
          });
          for (const i of [0, 1] as const) expect(caches[i].data).toEqual(expected[i].data);
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe("bad arguments of a paged cache are typed errors, and nothing is written", () => {
  const at = (...values: number[]): Indices => Indices.from(values);
  const x = random(1, [2, 1, 4]);
  const cache = (dtype: FloatDtype = "f32"): Tensor => random(2, [8, 1, 4], dtype);
  const write = (k: Tensor, v: Tensor, slots: Indices, kCache = cache(), vCache = cache()) => {
    const before = kCache.toNumbers();
    try {
      writeCache(k, v, kCache, vCache, slots);
    } finally {
      expect(kCache.toNumbers()).toEqual(before);
    }
  };
  const shared = cache();

  test.each<[string, QkNormErrorCode, () => unknown]>([
    ["a slot that the cache does not have", "ERR_QKNORM_ARGUMENT", () => write(x, x, at(0, 8))],
    ["fewer slots than tokens", "ERR_QKNORM_SHAPE", () => write(x, x, at(0))],
    ["no indices", "ERR_QKNORM_ARGUMENT", () => write(x, x, [0, 1] as never)],
    ["k and v of two dtypes", "ERR_QKNORM_DTYPE", () => write(x, convert(x, "f16"), at(0, 1))],
    ["caches of two dtypes", "ERR_QKNORM_DTYPE", () => write(x, x, at(0, 1), cache(), cache("bf16"))],
    ["a cache of another D", "ERR_QKNORM_SHAPE", () => write(x, x, at(0, 1), random(1, [8, 1, 5]))],
    ["two axes", "ERR_QKNORM_SHAPE", () => write(x.view([2, 4]), x, at(0, 1))],
    ["one memory for both caches", "ERR_QKNORM_OVERLAP", () => write(x, x, at(0, 1), shared, shared)],
    ["k within its cache", "ERR_QKNORM_OVERLAP", () => write(shared.slice(0, 0, 2), x, at(4, 5), shared)],
  ])("writeCache: %s", (_, code, call) => {
    failure(code, call);
  });

  const options = {
    ...{ queryStarts: at(0, 1, 2), lengths: at(3, 4), pages: at(0, 1, 2, 3), pageSize: 2 },
    ...{ scale: 1, rounding: "once" as const },
  };
  const paged = (change: object) => pagedAttention(x, cache(), cache(), { ...options, ...change });

  test.each<[string, QkNormErrorCode, () => unknown]>([
    ["a page that the cache does not have", "ERR_QKNORM_ARGUMENT", () => paged({ pages: at(0, 1, 2, 4) })],
    ["a length past its pages", "ERR_QKNORM_ARGUMENT", () => paged({ lengths: at(3, 5) })],
    ["a length short of its queries", "ERR_QKNORM_ARGUMENT", () => paged({ lengths: at(0, 4) })],
    ["queries out of order", "ERR_QKNORM_ARGUMENT", () => paged({ queryStarts: at(0, 2, 1) })],
    ["queries that are not there", "ERR_QKNORM_ARGUMENT", () => paged({ queryStarts: at(0, 1, 3) })],
    ["too few query starts", "ERR_QKNORM_ARGUMENT", () => paged({ queryStarts: at(0, 1) })],
    ["pages that do not divide", "ERR_QKNORM_ARGUMENT", () => paged({ pages: at(0, 1, 2) })],
    ["a page size of none", "ERR_QKNORM_ARGUMENT", () => paged({ pageSize: 0 })],
    ["more queries than it says", "ERR_QKNORM_ARGUMENT", () => paged({ mostQueries: 0 })],
    ["no lengths", "ERR_QKNORM_ARGUMENT", () => paged({ lengths: null })],
    ["no options", "ERR_QKNORM_ARGUMENT", () => pagedAttention(x, cache(), cache(), null as never)],
    ["a broken span", "ERR_QKNORM_ARGUMENT", () => paged({ window: -1 })],
    ["sinks for other heads", "ERR_QKNORM_SHAPE", () => paged({ sinks: random(1, [3]) })],
    [
      "heads that do not divide",
      "ERR_QKNORM_SHAPE",
      () => pagedAttention(random(1, [2, 3, 4]), random(1, [8, 2, 4]), random(1, [8, 2, 4]), options),
    ],
  ])("pagedAttention: %s", (_, code, call) => {
    failure(code, call);
  });

  test("no sequences, and sequences without queries, are allowed", () => {
    const none = { queryStarts: at(0), lengths: at(), pages: at() };
    expect(pagedAttention(x.slice(0, 0, 0), cache(), cache(), { ...options, ...none }).shape).toEqual([
      0, 1, 4,
    ]);
    expect(paged({ queryStarts: at(0, 0, 0) }).shape).toEqual([2, 1, 4]);
    write(x.slice(0, 0, 0), x.slice(0, 0, 0), at());
  });
});
