import { describe, expect, test } from "vitest";
import { random } from "../../../test/random-tensors.ts";
import { expectCleanDevices, missing } from "../../../test/stand-in.ts";
import type { AttentionSpan } from "../../backend.ts";
import { type FloatDtype, Tensor, tidy } from "../../index.ts";
import { joinableAttention } from "./joinable-attention.ts";

describe.skipIf(missing !== "")(`attention that joins other ops, on a stand-in driver${missing}`, () => {
  expectCleanDevices();

  interface Step {
    readonly tokens: number;
    readonly heads: readonly [query: number, keyValue: number];
    readonly headDim: number;
    readonly dtype: FloatDtype;
    readonly cacheDtype: FloatDtype;
    readonly pagesPerSequence: number;
    readonly span: Partial<Omit<AttentionSpan, "past">>;
  }
  const step: Step = {
    ...{ tokens: 1, heads: [4, 2], headDim: 64, dtype: "bf16", cacheDtype: "bf16" },
    ...{ pagesPerSequence: 1, span: {} },
  };

  const joined = (change: Partial<Step>) => {
    const { tokens, heads, headDim, dtype, cacheDtype, pagesPerSequence, span } = { ...step, ...change };
    return tidy(() => {
      const make = (shape: readonly number[], of: FloatDtype) => random(1, shape, of).to("cuda:0");
      const q = make([tokens, heads[0], headDim], dtype);
      const [k, v] = [0, 1].map(() => make([32, heads[1], headDim], cacheDtype)) as [Tensor, Tensor];
      const position = Tensor.from([5], [1], "i32").to("cuda:0");
      return joinableAttention(
        { q, k, v, out: make([tokens, heads[0], headDim], dtype) },
        {
          ...{ scale: 0.125, rounding: "once", mask: "causal", window: 0, chunk: 0, softCap: 0 },
          ...{ sinks: null, scales: null, ...span },
        },
        { batch: 1, mostQueries: tokens, pageSize: 32, pagesPerSequence },
        position,
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

  test.each<[string, Partial<Step>]>([
    ["of two tokens", { tokens: 2 }],
    ["over several pages", { pagesPerSequence: 2 }],
    ["of more than 8 query heads for a key head", { heads: [18, 2] }],
    ["of an odd head dim", { headDim: 96 }],
    ["with sinks", { span: { sinks: random(2, [4]) } }],
    ["without a mask", { span: { mask: "none" } }],
    ["over a cache of another dtype", { cacheDtype: "f16" }],
  ])("is none %s", (_, change) => {
    expect(joined(change)).toBeNull();
  });
});
