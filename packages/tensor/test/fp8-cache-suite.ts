// Caches of e4m3 with a scale a token and head: written and read on a device as on the CPU.
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
import { Distance } from "./distance.ts";
import { limits, type PagedSizes, pagedScene } from "./paged-scene.ts";
import { dtypes, random, roundings, seeds } from "./random-tensors.ts";

const headDims = fc.constantFrom(64, 128, 256, 96, 8, 33);

interface Cache {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly scales: { readonly k: Tensor; readonly v: Tensor };
}

/** Rows of very unequal sizes, as the CPU writes them. */
function cacheOf(seed: number, shape: readonly [slots: number, heads: number, headDim: number]): Cache {
  const [slots, heads] = shape;
  const made = { k: Tensor.zeros(shape, "e4m3"), v: Tensor.zeros(shape, "e4m3") };
  const scales = { k: Tensor.zeros([slots, heads], "f32"), v: Tensor.zeros([slots, heads], "f32") };
  const rows = (at: number) => random(seed + at, shape, "f32");
  const all = Indices.from(Array.from({ length: slots }, (_, i) => i));
  writeCache(rows(1), rows(2), made.k, made.v, all, { ...scales, mode: "computed" });
  return { ...made, scales };
}

function there({ k, v, scales }: Cache, device: CudaDeviceName): Cache {
  return {
    ...{ k: k.to(device), v: v.to(device) },
    scales: { k: scales.k.to(device), v: scales.v.to(device) },
  };
}

/** What is stored times its scale, as f32. */
function values(x: Tensor, scales: Tensor): Tensor {
  const factors = scales.toNumbers();
  const width = x.dim(2);
  const numbers = x
    .toNumbers()
    .map((value, i) => Math.fround(value * (factors[Math.floor(i / width)] as number)));
  return Tensor.from(numbers, x.shape, "f32");
}

/** On tensor cores keys and values are rounded to the dtype of q. */
const slackOf = (dtype: FloatDtype): number => ({ f32: 2e-5, bf16: 2 ** -7, f16: 2 ** -10 })[dtype];

function compare(there: Tensor, here: Tensor, cache: Cache, dtype: FloatDtype): void {
  const largest = values(cache.v, cache.scales.v)
    .toNumbers()
    .reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const exact = here.toNumbers();
  new Distance().add(there.to("cpu"), exact, {
    relative: slackOf(dtype),
    magnitudes: new Float64Array(exact.length).fill(largest),
  });
}

/** On the CPU alone: what a cache of e4m3 means. */
export function fp8MeaningSuite(): void {
  test("attention over e4m3 is that over what is stored times its scale, rounded to the dtype of q with hf", () => {
    fc.assert(
      fc.property(dtypes, roundings, headDims, limits, seeds, (dtype, rounding, headDim, limit, seed) => {
        const cache = cacheOf(seed, [19, 2, headDim]);
        const q = random(seed + 9, [3, 4, headDim], dtype);
        const span = { past: 12, scale: headDim ** -0.5, rounding, ...limit };
        const found = attention(q, cache.k, cache.v, { ...span, scales: cache.scales });
        const [k, v] = [values(cache.k, cache.scales.k), values(cache.v, cache.scales.v)];
        const as = rounding === "hf" ? dtype : "f32";
        const asked = (x: Tensor) => Tensor.from(x.toNumbers(), x.shape, as);
        const plain = attention(asked(q), asked(k), asked(v), span);
        compare(found, plain, cache, rounding === "hf" ? "bf16" : "f32");
      }),
      { numRuns: 30 },
    );
  });

  test("e4m3 needs its scales, and no other cache takes any", () => {
    const cache = cacheOf(1, [4, 1, 8]);
    const q = random(2, [1, 1, 8], "f32");
    const span = { past: 0, scale: 1, rounding: "once" as const };
    const refused = (message: string) =>
      expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT", message: expect.stringContaining(message) });
    expect(() => attention(q, cache.k, cache.v, span)).toThrow(refused("a cache of e4m3 needs scales"));
    const plain = random(3, [4, 1, 8], "f32");
    expect(() => attention(q, plain, plain, { ...span, scales: cache.scales })).toThrow(
      refused("a cache of f32 takes no scales"),
    );
    const short = { k: cache.scales.k, v: cache.scales.v.slice(0, 0, 3) };
    expect(() => attention(q, cache.k, cache.v, { ...span, scales: short })).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }),
    );
  });
}

/** Tests of such caches on a device, against the CPU. */
export function fp8CacheSuite(
  device: CudaDeviceName,
  { keys: mostKeys, runs: numRuns }: { readonly keys: number; readonly runs: number },
): void {
  test("writeCache stores e4m3 and its scales with the CPU's bits, computed or given, and nothing else", () => {
    fc.assert(
      fc.property(
        fc.record({
          dtype: dtypes,
          headDim: fc.oneof(headDims, fc.constantFrom(1, 260)),
          heads: fc.constantFrom(1, 3),
        }),
        fc.constantFrom("computed" as const, "given" as const),
        fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 12 }),
        seeds,
        ({ dtype, headDim, heads }, mode, slots, seed) => {
          const rows = [1, 2].map((at) => random(seed + at, [slots.length, heads, headDim], dtype)) as [
            Tensor,
            Tensor,
          ];
          rows[0].copyFrom(
            Tensor.from(
              rows[0].toNumbers().map((x, i) => (i === 0 ? Number.NaN : x * 1e3)),
              rows[0].shape,
              dtype,
            ),
          );
          const here = cacheOf(seed + 3, [41, heads, headDim]);
          tidy(() => {
            const copy = there(here, device);
            const at = Indices.from(slots);
            const [k, v] = rows.map((x) => x.to(device)) as [Tensor, Tensor];
            writeCache(k, v, copy.k, copy.v, at, { ...copy.scales, mode });
            writeCache(...rows, here.k, here.v, at, { ...here.scales, mode });
            for (const side of ["k", "v"] as const) {
              expect(copy[side].to("cpu").data).toEqual(here[side].data);
              expect(copy.scales[side].to("cpu").data).toEqual(here.scales[side].data);
            }
          });
        },
      ),
      { numRuns },
    );
  });

  test("attention over e4m3 is the CPU's, one token or a prompt, for any span, head dim, dtype and rounding", () => {
    fc.assert(
      fc.property(
        fc.record({ dtype: dtypes, rounding: roundings, headDim: headDims, group: fc.constantFrom(1, 2, 4) }),
        fc.record({ tokens: fc.constantFrom(1, 2, 70), past: fc.oneof(fc.nat(40), fc.nat(mostKeys)) }),
        limits,
        seeds,
        ({ dtype, rounding, headDim, group }, { tokens, past }, limit, seed) => {
          const cache = cacheOf(seed, [past + tokens + 2, 2, headDim]);
          const q = random(seed + 9, [tokens, 2 * group, headDim], dtype);
          const span = { past, rounding, scale: headDim ** -0.5, ...limit };
          const here = attention(q, cache.k, cache.v, { ...span, scales: cache.scales });
          tidy(() => {
            const copy = there(cache, device);
            const found = attention(q.to(device), copy.k, copy.v, { ...span, scales: copy.scales });
            compare(found, here, cache, dtype);
          });
        },
      ),
      { numRuns },
    );
  });

  test("pagedAttention over e4m3 is the CPU's, for any sequences and pages", () => {
    const sizes = fc.record<PagedSizes>({
      sequences: fc.array(fc.tuple(fc.constantFrom(1, 1, 5, 40), fc.nat(mostKeys)), {
        minLength: 1,
        maxLength: 4,
      }),
      ...{ kvHeads: fc.constantFrom(1, 2), group: fc.constantFrom(1, 2) },
      headDim: fc.constantFrom(64, 128, 33),
      pageSize: fc.constantFrom(7, 16),
      dtype: dtypes,
      cacheDtype: fc.constant<FloatDtype>("f32"),
    });
    fc.assert(
      fc.property(sizes, limits, roundings, seeds, (dims, limit, rounding, seed) => {
        const { q, kCache, options } = pagedScene(seed, dims, {
          ...limit,
          rounding,
          scale: dims.headDim ** -0.5,
        });
        const cache = cacheOf(seed, kCache.shape as [number, number, number]);
        const here = pagedAttention(q, cache.k, cache.v, { ...options, scales: cache.scales });
        tidy(() => {
          const copy = there(cache, device);
          const found = pagedAttention(q.to(device), copy.k, copy.v, { ...options, scales: copy.scales });
          compare(found, here, cache, dims.dtype);
        });
      }),
      { numRuns },
    );
  });

  test("a captured step writes e4m3 at a slot that the device knows and reads it back, with the eager step's bits", () => {
    tidy(() => {
      const capacity = Math.min(256, mostKeys);
      const of = (seed: number, heads: number) => random(seed, [1, heads, 64], "bf16").to(device);
      const [q, k, v] = [of(1, 4), of(2, 2), of(3, 2)];
      const cache = there(cacheOf(4, [capacity, 2, 64]), device);
      const counter = Tensor.from([0], [1], "i32").to(device);
      const past = Indices.onDevice(counter, capacity);
      const step = () => {
        writeCache(k, v, cache.k, cache.v, past, { ...cache.scales, mode: "computed" });
        return attention(q, cache.k, cache.v, { past, scale: 0.125, rounding: "once", scales: cache.scales });
      };
      step();
      let out = q;
      using graph = DeviceGraph.capture(device, () => {
        out = step();
      });
      for (const at of [0, 65, capacity - 1]) {
        counter.copyFrom(Tensor.from([at], [1], "i32"));
        graph.replay();
        const replayed = out.to("cpu").data;
        expect(tidy(() => step().to("cpu").data)).toEqual(replayed);
        const here = {
          k: cache.k.to("cpu"),
          v: cache.v.to("cpu"),
          scales: { k: cache.scales.k.to("cpu"), v: cache.scales.v.to("cpu") },
        };
        const span = { past: at, scale: 0.125, rounding: "once" as const, scales: here.scales };
        compare(out, attention(q.to("cpu"), here.k, here.v, span), here, "bf16");
      }
    });
  });
}
