import { describe, expect, test } from "vitest";
import { chainProvider, memory, pair, tables } from "../test/chain-provider.ts";
import { countingNorm, rms } from "../test/fake-provider.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import { quietLog } from "../test/quiet-log.ts";
import { applyQkNormRope } from "./apply-qk-norm-rope.ts";
import type { QkNormRopeOptions } from "./qk-norm-rope-request.ts";

quietLog();

type Options = QkNormRopeOptions<FlatTensor>;

describe("wrong arguments throw before anything runs", () => {
  const v = () => flat([3, 16]);
  test("tables of which one is missing are refused for that", () => {
    const norm = countingNorm(rms);
    for (const rope of [
      { ...tables, sin: undefined },
      Object.assign((x: FlatTensor) => x, { spec: { ...tables, cos: undefined } }),
    ]) {
      const options = { headDim: 8, rope, positions: 0 } as unknown as Options;
      expect(() => applyQkNormRope(...pair(), norm, norm, options)).toThrow(
        "rope needs both tables, cos and sin",
      );
    }
  });

  test.each(["q", "k"])("a norm of all heads of %s is refused where heads come first", (side) => {
    const wrong = countingNorm({ ...rms, axis: "row" });
    const [qNorm, kNorm] = side === "q" ? [wrong, null] : [null, wrong];
    const options = { headDim: 8, path: "fallback", layout: "heads-first" } as const;
    expect(() => applyQkNormRope(flat([4, 3, 8]), flat([2, 3, 8], 2), qNorm, kNorm, options)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_NORM" }),
    );
    expect(wrong.seen).toEqual([]);
  });

  test.each<[string, string, unknown]>([
    ["no options", "ERR_QKNORM_ARGUMENT", undefined],
    ["no head dim", "ERR_QKNORM_SHAPE", {}],
    ["rope that is none", "ERR_QKNORM_ARGUMENT", { headDim: 8, rope: 3, positions: 0 }],
    ["rope without positions", "ERR_QKNORM_ARGUMENT", { headDim: 8, rope: tables }],
    ["half of the tables", "ERR_QKNORM_ARGUMENT", { headDim: 8, rope: { cos: {} }, positions: 0 }],
    [
      "an unknown layout",
      "ERR_QKNORM_ARGUMENT",
      { headDim: 8, rope: { ...tables, layout: "x" }, positions: 0 },
    ],
    [
      "an unknown rounding",
      "ERR_QKNORM_ARGUMENT",
      { headDim: 8, rope: { ...tables, rounding: 1 }, positions: 0 },
    ],
    ["an unknown order", "ERR_QKNORM_ARGUMENT", { headDim: 8, order: "norm" }],
    ["v without a cache", "ERR_QKNORM_ARGUMENT", { headDim: 8, v: v() }],
    ["a cache without v", "ERR_QKNORM_ARGUMENT", { headDim: 8, cache: memory() }],
    ["a cache without slots", "ERR_QKNORM_ARGUMENT", { headDim: 8, v: v(), cache: { k: v(), v: v() } }],
    ["one scale", "ERR_QKNORM_ARGUMENT", { headDim: 8, v: v(), cache: { ...memory(), kScale: {} } }],
    ["v of other heads", "ERR_QKNORM_SHAPE", { headDim: 8, v: flat([3, 24]), cache: memory() }],
    [
      "tables and nobody to rotate by them",
      "ERR_QKNORM_ARGUMENT",
      { headDim: 8, rope: tables, positions: 0 },
    ],
  ])("%s", (_, code, options) => {
    const norm = countingNorm(rms);
    expect(() => applyQkNormRope(...pair(), norm, norm, options as Options)).toThrow(
      expect.objectContaining({ code }),
    );
    expect(norm.seen).toEqual([]);
  });

  test("a cache without slots is named so, before any provider sees it", () => {
    const { calls } = chainProvider();
    const options = { headDim: 8, v: v(), cache: { k: v(), v: v() } } as unknown as Options;
    expect(() => applyQkNormRope(...pair(), countingNorm(rms), null, options)).toThrow(/cache needs slots/);
    expect(calls).toEqual([]);
  });
});
