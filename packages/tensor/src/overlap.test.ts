import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { addresses, views } from "../test/view-model.ts";
import { mayShareMemory, overlapsItself } from "./overlap.ts";
import { Tensor } from "./tensor.ts";

function bytesOf(x: Tensor): Set<number> {
  const width = x.data.BYTES_PER_ELEMENT;
  return new Set(
    addresses(x).flatMap((address) =>
      Array.from({ length: width }, (_, i) => x.data.byteOffset + address * width + i),
    ),
  );
}

function share(a: Tensor, b: Tensor): boolean {
  const bytes = bytesOf(b);
  return [...bytesOf(a)].some((byte) => bytes.has(byte));
}

// Any strides at all, zero and overlapping ones included.
const anyStrides = (buffer: ArrayBuffer): fc.Arbitrary<Tensor> =>
  fc
    .record({
      axes: fc.array(
        fc.tuple(
          fc.oneof({ weight: 12, arbitrary: fc.integer({ min: 1, max: 4 }) }, fc.constant(0)),
          fc.oneof(fc.constantFrom(0, 1, 2, 4), fc.integer({ min: 0, max: 30 })),
        ),
        { maxLength: 3 },
      ),
      offset: fc.integer({ min: 0, max: 30 }),
      wide: fc.boolean(),
      skip: fc.integer({ min: 0, max: 8 }),
    })
    .map(({ axes, offset, wide, skip }) => {
      const data = wide ? new Float32Array(buffer, skip * 4) : new Uint16Array(buffer, skip * 2);
      const shape = axes.map(([dim]) => dim);
      return new Tensor(data, wide ? "f32" : "bf16", shape, {
        strides: axes.map(([, stride]) => stride),
        offset,
      });
    });

describe("mayShareMemory", () => {
  test("is exactly right for small views of one buffer, of any strides, dtypes and byte offsets", () => {
    const buffer = new ArrayBuffer(2048);
    const seen = { yes: 0, no: 0 };
    fc.assert(
      fc.property(anyStrides(buffer), anyStrides(buffer), (a, b) => {
        const shared = share(a, b);
        seen[shared ? "yes" : "no"]++;
        expect(mayShareMemory(a, b)).toBe(shared);
        expect(mayShareMemory(b, a)).toBe(shared);
      }),
      { numRuns: 5000 },
    );
    expect(Math.min(seen.yes, seen.no)).toBeGreaterThan(300);
  });

  test("says no for q, k and v of one packed QKV tensor", () => {
    const parts = Tensor.zeros([5, (4 + 2 + 2) * 8], "bf16").split(-1, [32, 16, 16]);
    for (const a of parts) for (const b of parts) expect(mayShareMemory(a, b)).toBe(a === b);
  });

  test.each([
    ["rows that follow one another", 4 * 3 * 8],
    ["rows padded to a length that is no multiple of a head", 4 * 3 * 8 + 5],
  ])("says no for q, k and v packed per head, as in Persimmon, in %s", (_, row) => {
    const packed = Tensor.zeros([6, row])
      .slice(1, 0, 4 * 3 * 8)
      .view([6, 4, 3, 8]);
    const parts = [0, 1, 2].map((i) => packed.slice(2, i, i + 1).view([6, 4, 8]));
    for (const a of parts) for (const b of parts) expect(mayShareMemory(a, b)).toBe(a === b);
  });

  test("says no for q interleaved with its gate and k behind both, as in Qwen3-Next", () => {
    const [heads, kvHeads, dim] = [4, 2, 16];
    const packed = Tensor.zeros([7, heads * 2 * dim + kvHeads * dim], "bf16");
    const [queries, k] = packed.split(1, [heads * 2 * dim, kvHeads * dim]) as [Tensor, Tensor];
    const [q, gate] = queries.view([7, heads, 2 * dim]).split(2, [dim, dim]) as [Tensor, Tensor];
    expect([mayShareMemory(q, gate), mayShareMemory(q, k), mayShareMemory(gate, k)]).toEqual([
      false,
      false,
      false,
    ]);
    expect(mayShareMemory(q, queries)).toBe(true);
  });

  test("says no for halves of one buffer behind different byte offsets, and yes for one element more", () => {
    const buffer = new ArrayBuffer(64);
    const low = new Tensor(new Float32Array(buffer, 0, 8), "f32", [8]);
    expect(mayShareMemory(low, new Tensor(new Uint16Array(buffer, 32), "bf16", [16]))).toBe(false);
    expect(mayShareMemory(low, new Tensor(new Uint16Array(buffer, 30), "bf16", [16]))).toBe(true);
  });

  test("says no for different buffers and for empty views", () => {
    const x = Tensor.zeros([4]);
    expect(mayShareMemory(x, Tensor.zeros([4]))).toBe(false);
    expect(mayShareMemory(x, x.slice(0, 2, 2))).toBe(false);
  });

  test("answers yes, and soon, for strides chosen to make the search long", () => {
    const primes = [101, 103, 107, 109, 113, 127, 131, 137];
    const data = new Float32Array(2 + primes.reduce((sum, p) => sum + p * 40, 0));
    const view = (offset: number): Tensor =>
      new Tensor(
        data,
        "f32",
        primes.map(() => 21),
        { strides: primes.map((p) => 2 * p), offset },
      );
    const before = performance.now();
    expect(mayShareMemory(view(0), view(1))).toBe(true); // they do not: all strides are even
    expect(performance.now() - before).toBeLessThan(500);
  });
});

describe("overlapsItself", () => {
  test("never says no when an element is held twice", () => {
    const buffer = new ArrayBuffer(2048);
    fc.assert(
      fc.property(anyStrides(buffer), (x) => {
        const all = addresses(x);
        if (new Set(all).size < all.length) expect(overlapsItself(x)).toBe(true);
      }),
      { numRuns: 3000 },
    );
  });

  test("says no for everything that slices and transposes of dense memory can be", () => {
    fc.assert(
      fc.property(views, (x) => void expect(overlapsItself(x)).toBe(false)),
      { numRuns: 1000 },
    );
  });
});
