import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  attention,
  type CudaDeviceName,
  DeviceGraph,
  type FloatDtype,
  Indices,
  pagedAttention,
  Tensor,
  tidy,
  writeCache,
} from "../src/index.ts";
import { headDims, inGaps } from "./device-tensors.ts";
import { Distance } from "./distance.ts";
import { gapped } from "./naive-ops.ts";
import { limits, type PagedScene, type PagedSizes, pagedScene } from "./paged-scene.ts";
import { dtypes, random, roundings, seeds } from "./random-tensors.ts";

/** Of the scale that models have: 0 and less are allowed. */
const factors = fc.constantFrom(1, 1, 1, 0, -0.5);
const heads = { kvHeads: fc.constantFrom(1, 2, 3), group: fc.constantFrom(1, 2, 3, 4, 9) };

/**
 * How far a result may be. A probability that is rounded moves it by half a step of that: rounding hf asks for it, on the
 * tensor cores, which many queries go to, it comes with the product.
 */
function slackOf(dtype: FloatDtype, rounded: boolean): number {
  return rounded && dtype !== "f32" ? (dtype === "bf16" ? 2 ** -7 : 2 ** -10) : 2e-5;
}

/** Of fewer the share of equal elements says little. */
const enoughRuns = 12;

/** What is compared to the share of equal elements is 16 bits and rounded once, which no run may be by chance: this one is. */
const certain = {
  kind: { dtype: "bf16", rounding: "once", seed: 1, headDim: 64, factor: 1 },
  heads: { kvHeads: 2, group: 2 },
  limit: { mask: "causal", window: 0, chunk: 0, softCap: 0 },
} as const;

/** Rows of a key/value head from which on the tensor cores may be used. */
const manyRows = 33;

function largest(v: Tensor): number {
  return v.toNumbers().reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

/** Expects a result on the device to be the CPU's. */
function compare(distance: Distance, there: Tensor, here: Tensor, v: Tensor, slack: number): void {
  const exact = here.toNumbers();
  distance.add(there.to("cpu"), exact, {
    relative: slack,
    magnitudes: new Float64Array(exact.length).fill(largest(v)),
  });
}

/** Tests of attention and of caches on a device, against the CPU. `size` bounds how many keys and runs there are. */
export function attentionSuite(
  device: CudaDeviceName,
  size: { readonly keys: number; readonly runs: number },
) {
  const { keys: mostKeys, runs: numRuns } = size;

  test("attention is the CPU's, for any span, heads, head dim, dtype and rounding", () => {
    const [distance, loose] = [new Distance(), new Distance()];
    fc.assert(
      fc.property(
        fc.record({
          ...{ dtype: dtypes, rounding: roundings, seed: seeds },
          ...{ headDim: headDims, factor: factors, gap: fc.boolean() },
        }),
        fc.record({ ...heads, tokens: fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 90 })) }),
        fc.oneof(fc.nat(40), fc.nat(mostKeys)),
        fc.nat(3),
        limits,
        ({ dtype, rounding, seed, headDim, factor, gap }, { kvHeads, group, tokens }, past, spare, limit) => {
          const make = (at: number, shape: readonly [number, number, number]) =>
            gap
              ? gapped(random(seed + at, shape, dtype).toNumbers(), shape, dtype, 8)
              : random(seed + at, shape, dtype);
          const q = make(1, [tokens, kvHeads * group, headDim]);
          const [k, v] = [2, 3].map((at) => make(at, [past + tokens + spare, kvHeads, headDim])) as [
            Tensor,
            Tensor,
          ];
          const sinks = seed % 4 === 0 ? random(seed + 4, [kvHeads * group], dtype) : null;
          const span = { past, rounding, scale: factor * headDim ** -0.5, ...limit };
          const here = attention(q, k, v, { ...span, sinks });
          tidy(() => {
            const [a, b, c] = [q, k, v].map((x) => inGaps(x, device, gap)) as [Tensor, Tensor, Tensor];
            const there = attention(a, b, c, { ...span, sinks: sinks?.to(device) ?? null });
            const rounded = rounding === "hf" || tokens * group >= manyRows;
            compare(rounded ? loose : distance, there, here, v, slackOf(dtype, rounded));
          });
        },
      ),
      {
        numRuns,
        examples: [
          [{ ...certain.kind, gap: false }, { ...certain.heads, tokens: 1 }, mostKeys, 0, certain.limit],
        ],
      },
    );
    if (numRuns >= enoughRuns) distance.check();
  });

  test("keys behind the last one, and earlier than a window, cannot reach a result, not even as NaN", () => {
    for (const rounding of ["once", "hf"] as const) {
      tidy(() => {
        const [q, k, v] = [
          random(1, [2, 4, 64], "bf16"),
          random(2, [90, 2, 64], "bf16"),
          random(3, [90, 2, 64], "bf16"),
        ];
        const span = { past: 70, window: 20, scale: 0.125, rounding };
        const clean = attention(q.to(device), k.to(device), v.to(device), span).toNumbers();
        for (const x of [k, v]) {
          for (const [first, last] of [[0, 51] as const, [72, 90] as const]) {
            const hole = x.slice(0, first, last);
            hole.copyFrom(Tensor.from(new Array(hole.size).fill(Number.NaN), hole.shape, "bf16"));
          }
        }
        expect(attention(q.to(device), k.to(device), v.to(device), span).toNumbers()).toEqual(clean);
      });
    }
  });

  const sizes = fc.record<PagedSizes>({
    sequences: fc.array(
      fc.tuple(fc.oneof(fc.constant(1), fc.nat(6)), fc.oneof(fc.nat(30), fc.nat(mostKeys))),
      { minLength: 1, maxLength: 5 },
    ),
    ...heads,
    headDim: headDims,
    pageSize: fc.constantFrom(1, 7, 16, 64),
    dtype: dtypes,
    cacheDtype: dtypes,
  });

  const { dtype, headDim } = certain.kind;
  const certainSizes: PagedSizes = {
    sequences: [[1, mostKeys]],
    ...{ ...certain.heads, headDim, pageSize: 16, dtype, cacheDtype: dtype },
  };

  test("pagedAttention is the CPU's, for any sequences, pages and dtypes", () => {
    const [distance, loose] = [new Distance(), new Distance()];
    fc.assert(
      fc.property(sizes, limits, roundings, seeds, factors, (dims, limit, rounding, seed, factor) => {
        const scene = pagedScene(seed, dims, { ...limit, rounding, scale: factor * dims.headDim ** -0.5 });
        const here = pagedAttention(scene.q, scene.kCache, scene.vCache, scene.options);
        tidy(() => {
          const there = on(device, scene);
          const rounded =
            rounding === "hf" || dims.sequences.some(([queries]) => queries * dims.group >= manyRows);
          const slack = Math.max(slackOf(dims.dtype, rounded), slackOf(dims.cacheDtype, rounded));
          compare(rounded ? loose : distance, pagedAttention(...there), here, scene.vCache, slack);
        });
      }),
      {
        numRuns,
        examples: [
          [certainSizes, certain.limit, certain.kind.rounding, certain.kind.seed, certain.kind.factor],
        ],
      },
    );
    if (numRuns >= enoughRuns) distance.check();
  });

  test("a sequence has the same bits alone and in any batch", () => {
    const sequences = [
      [1, 300],
      [3, 20],
      [40, 7],
      [1, mostKeys],
    ] as const;
    for (const [dtype, rounding] of [
      ["bf16", "once"],
      ["f16", "hf"],
    ] as const) {
      const dims = { kvHeads: 2, group: 2, headDim: 64, pageSize: 16, dtype, cacheDtype: dtype };
      const scene = pagedScene(7, { sequences, ...dims }, { rounding, scale: 0.125 });
      const { queryStarts, lengths, pages } = scene.options;
      const perSequence = pages.length / sequences.length;
      tidy(() => {
        const [q, kCache, vCache, options] = on(device, scene);
        const together = pagedAttention(q, kCache, vCache, options);
        sequences.forEach(([queries], b) => {
          const start = (queryStarts.values as Int32Array)[b] as number;
          const own = (pages.values as Int32Array).slice(b * perSequence, (b + 1) * perSequence);
          const alone = pagedAttention(q.slice(0, start, start + queries), kCache, vCache, {
            ...options,
            queryStarts: Indices.from([0, queries]),
            lengths: Indices.from([(lengths.values as Int32Array)[b] as number]),
            pages: Indices.from(own),
          });
          expect([b, ...alone.toNumbers()]).toEqual([
            b,
            ...together.slice(0, start, start + queries).toNumbers(),
          ]);
        });
      });
    }
  });

  test("a paged sequence of several pieces in a window is the CPU's, and has the same bits alone", () => {
    const sequences = [
      [1, 1100],
      [3, 700],
      [1, 20],
    ] as const;
    const dims = { kvHeads: 1, group: 3, headDim: 64, pageSize: 16 } as const;
    const scene = pagedScene(
      9,
      { sequences, ...dims, dtype: "bf16", cacheDtype: "bf16" },
      { rounding: "once", scale: 0.125, window: 900 },
    );
    const here = pagedAttention(scene.q, scene.kCache, scene.vCache, scene.options);
    tidy(() => {
      const [q, kCache, vCache, options] = on(device, scene);
      const together = pagedAttention(q, kCache, vCache, options);
      compare(new Distance(), together, here, scene.vCache, slackOf("bf16", false));
      const pages = (options.pages.values as Int32Array).slice(0, options.pages.length / sequences.length);
      const alone = pagedAttention(q.slice(0, 0, 1), kCache, vCache, {
        ...options,
        queryStarts: Indices.from([0, 1]),
        lengths: Indices.from([sequences[0][0] + sequences[0][1]]),
        pages: Indices.from(pages),
      });
      expect(alone.toNumbers()).toEqual(together.slice(0, 0, 1).toNumbers());
    });
  });

  test("queries that stand before the first key get zeros", () => {
    tidy(() => {
      const ids = (...values: number[]) =>
        Indices.onDevice(Tensor.from(values, [values.length], "i32").to(device), Math.max(...values) + 1);
      const [q, cache, other] = [
        [2, 2, 8],
        [8, 1, 8],
        [8, 1, 8],
      ].map((shape, i) => random(i + 1, shape, "bf16").to(device)) as [Tensor, Tensor, Tensor];
      const options = { queryStarts: ids(0, 2), lengths: ids(1), pages: ids(0, 1), pageSize: 4 };
      const out = pagedAttention(q, cache, other, { ...options, scale: 1, rounding: "once" });
      expect([...out.slice(0, 0, 1).toNumbers()]).toEqual(new Array(16).fill(0));
      const value = other.slice(0, 0, 1).toNumbers();
      expect([...out.slice(0, 1, 2).toNumbers()]).toEqual([...value, ...value]);
    });
  });

  test("a captured step reads its slot and its length from the device, and gives the eager step's bits", () => {
    for (const rounding of ["once", "hf"] as const) {
      tidy(() => {
        const capacity = Math.min(512, mostKeys); // as many pieces as a cluster has blocks
        const of = (seed: number, rows: number, count: number) =>
          random(seed, [rows, count, 64], "bf16").to(device);
        const [q, k, v] = [of(1, 1, 4), of(2, 1, 2), of(3, 1, 2)];
        const [kCache, vCache] = [of(4, capacity, 2), of(5, capacity, 2)];
        const counter = Tensor.from([0], [1], "i32").to(device);
        const past = Indices.onDevice(counter, capacity);
        const step = () => {
          writeCache(k, v, kCache, vCache, past);
          return attention(q, kCache, vCache, { past, scale: 0.125, rounding });
        };
        step();
        let out = q;
        using graph = DeviceGraph.capture(device, () => {
          out = step();
        });
        for (const at of [0, 1, 63, 64, 200, capacity - 1]) {
          counter.copyFrom(Tensor.from([at], [1], "i32"));
          graph.replay();
          const replayed = out.to("cpu").data;
          const [a, b, c] = [q, kCache, vCache].map((x) => x.to("cpu")) as [Tensor, Tensor, Tensor];
          const here = attention(a, b, c, { past: at, scale: 0.125, rounding });
          compare(new Distance(), out, here, c, slackOf("bf16", rounding === "hf"));
          expect(tidy(() => step().to("cpu").data)).toEqual(replayed);
          expect(kCache.slice(0, at, at + 1).toNumbers()).toEqual(k.toNumbers());
        }
      });
    }
  });
}

function on(
  device: CudaDeviceName,
  { q, kCache, vCache, options }: PagedScene,
): [Tensor, Tensor, Tensor, PagedScene["options"]] {
  return [q.to(device), kCache.to(device), vCache.to(device), options];
}
