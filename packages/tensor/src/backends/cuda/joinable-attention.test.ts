import { describe, expect, test } from "vitest";
import { random } from "../../../test/random-tensors.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import type { AttentionSpan } from "../../backend.ts";
import { type FloatDtype, Indices, Tensor, tidy } from "../../index.ts";
import { joinableAttention } from "./joinable-attention.ts";

describe.skipIf(missing !== "")(`attention that joins other ops, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  interface Step {
    readonly tokens: number;
    readonly heads: readonly [query: number, keyValue: number];
    readonly headDim: number;
    readonly dtype: FloatDtype;
    readonly cacheDtype: FloatDtype;
    readonly batch: number;
    /** Of a sequence. */
    readonly pages: number | null;
    readonly capacity: number;
    readonly span: Partial<Omit<AttentionSpan, "past">>;
  }
  const step: Step = {
    ...{ tokens: 1, heads: [4, 2], headDim: 64, dtype: "bf16", cacheDtype: "bf16" },
    ...{ batch: 1, pages: null, capacity: 32, span: {} },
  };

  const joined = (change: Partial<Step>) => {
    const { tokens, heads, headDim, dtype, cacheDtype, batch, pages, capacity, span } = {
      ...step,
      ...change,
    };
    return tidy(() => {
      const make = (shape: readonly number[], of: FloatDtype) => random(1, shape, of).to("cuda:0");
      const q = make([tokens, heads[0], headDim], dtype);
      const [k, v] = [0, 1].map(() => make([capacity, heads[1], headDim], cacheDtype)) as [Tensor, Tensor];
      const indices = (count: number, bound: number) =>
        Indices.onDevice(Tensor.zeros([count], "i32", "cuda:0"), bound);
      return joinableAttention(
        { q, k, v, out: make([tokens, heads[0], headDim], dtype) },
        {
          ...{ scale: 0.125, rounding: "once", mask: "causal", window: 0, chunk: 0, softCap: 0 },
          ...{ sinks: null, scales: null, ...span },
        },
        { batch, mostQueries: tokens, pageSize: 16, pagesPerSequence: pages ?? 1 },
        { lengths: indices(batch, 6), ...(pages && { pages: indices(batch * pages, 4) }) },
      );
    });
  };

  test("is that of one token over a cache in one piece, whatever its window, soft cap and rounding", () => {
    expect(joined({})).toMatchObject({ kind: "attention", group: 2, heads: { kvHeads: 2, capacity: 32 } });
    expect(joined({ span: { rounding: "hf" } })).toMatchObject({ form: { rounding: "hf" } });
    expect(joined({ span: { window: 8, softCap: 20 } })).toMatchObject({
      form: { softCap: true },
      heads: { window: 8, softCap: 20 },
    });
  });

  test("is that of one sequence whose keys lie in pages, added up as the launch by itself does it", () => {
    const paged = { pages: 2, capacity: 4096 };
    expect(joined(paged)).toMatchObject({
      ...{ form: { paged: true }, inHalves: true, past: null, pages: { count: 2, size: 16 } },
    });
    expect(joined({ ...paged, span: { rounding: "hf" } })).toMatchObject({ inHalves: false });
    // Of 32 keys by the page tables, whatever the cache has room for.
    expect(joined(paged)).toMatchObject({ heads: { pieces: 1 } });
    expect(joined({ ...paged, pages: 9, span: { rounding: "hf" } })).toMatchObject({ heads: { pieces: 3 } });
    expect(joined({})).toMatchObject({ inHalves: false, pages: null });
  });

  test.each<[string, Partial<Step>]>([
    ["of two tokens", { tokens: 2 }],
    ["of several sequences", { tokens: 2, batch: 2, pages: 2 }],
    ["over more keys than blocks at once have pieces of", { pages: 1024, capacity: 1 << 14, heads: [16, 8] }],
    ["of more than 8 query heads for a key head", { heads: [18, 2] }],
    ["of an odd head dim", { headDim: 96 }],
    ["with sinks", { span: { sinks: random(2, [4]) } }],
    ["without a mask", { span: { mask: "none" } }],
    ["over a cache of another dtype", { cacheDtype: "f16" }],
  ])("is none %s", (_, change) => {
    expect(joined(change)).toBeNull();
  });
});
