import { describe, expect, onTestFinished, test } from "vitest";
import { chainProvider, mapped, memory, pair, tables } from "../test/chain-provider.ts";
import { countingNorm, fakeProvider, negated, rms } from "../test/fake-provider.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import { quietLog } from "../test/quiet-log.ts";
import { applyQkNormRope } from "./apply-qk-norm-rope.ts";
import { explainQkNormRope } from "./explain-qk-norm-rope.ts";
import { setQkNormLogger } from "./fallback-log.ts";
import { planQkNormRope } from "./qk-norm-rope-plan.ts";
import type { QkNormRopeOptions } from "./qk-norm-rope-request.ts";
import { registerFusedQkNorm } from "./registry.ts";
import { warmUpQkNormRope } from "./warm-up.ts";

quietLog();

type Options = QkNormRopeOptions<FlatTensor>;
type Log = string[];

describe("the fused chain", () => {
  test("gets the whole call, and its result is returned", () => {
    const { calls, runs } = chainProvider();
    const [q, k] = pair();
    const [v, cache] = [flat([3, 2, 8]), memory()];
    const norm = countingNorm(rms);
    const options: Options = { headDim: 8, rope: tables, positions: "p", v, cache, order: "rope-norm" };
    expect(applyQkNormRope(q, k, norm, null, options)).toEqual([negated(q), negated(k)]);
    expect(calls).toMatchObject([
      { q, k, v, positions: "p", qSpec: rms, kSpec: null, order: "rope-norm", rope: tables, cache },
    ]);
    expect(runs).toEqual([{ q, k, v, positions: "p", slots: cache.slots }]);
    expect(norm.seen).toEqual([]);
  });

  test("is asked once for calls of one layer; other positions and slots are for it to see", () => {
    const { calls, runs } = chainProvider();
    const norm = countingNorm(rms);
    const cache = memory();
    const step = (positions: number, slots: number[]): void => {
      const options = {
        headDim: 8,
        rope: { ...tables },
        positions,
        v: flat([3, 16]),
        cache: { ...cache, slots },
      };
      applyQkNormRope(...pair(), norm, norm, options);
    };
    step(0, [1, 2, 3]);
    step(1, [4, 5, 6]);
    expect([calls.length, runs.length]).toEqual([1, 2]);
    expect(runs.map(({ positions, slots }) => [positions, slots])).toEqual([
      [0, [1, 2, 3]],
      [1, [4, 5, 6]],
    ]);
  });

  test.each<[string, (o: Options, n: ReturnType<typeof countingNorm>) => Options]>([
    ["other tables", (o) => ({ ...o, rope: { ...tables, cos: {} } })],
    ["another layout", (o) => ({ ...o, rope: { ...tables, layout: "interleaved" } })],
    ["another rounding", (o) => ({ ...o, rope: { ...tables, rounding: "hf" } })],
    ["another order", (o) => ({ ...o, order: "rope-norm" })],
    ["other memory", (o) => ({ ...o, cache: memory() })],
    ["out of place", (o) => ({ ...o, allowInplace: false })],
    [
      "another eps",
      (o, norm) => {
        norm.spec = { ...rms, eps: 1e-3 };
        return o;
      },
    ],
  ])("is asked again for %s", (_, change) => {
    const { calls } = chainProvider();
    const norm = countingNorm(rms);
    const options: Options = { headDim: 8, rope: tables, positions: 0, v: flat([3, 16]), cache: memory() };
    applyQkNormRope(...pair(), norm, norm, options);
    applyQkNormRope(...pair(), norm, norm, change(options, norm));
    expect(calls.length).toBe(2);
  });
});

describe("the steps", () => {
  const recorder = () => {
    const log: Log = [];
    const norm = (side: string) => (x: FlatTensor) => {
      log.push(`norm ${side} ${x.shape}`);
      return x;
    };
    const turn = (x: FlatTensor, positions: unknown): FlatTensor => {
      log.push(`rope ${x.shape} at ${positions}`);
      return x;
    };
    const write = (k: FlatTensor, v: FlatTensor): void => void log.push(`write ${k.shape} ${v.shape}`);
    return { log, norm, turn, write };
  };

  test.each([
    ["norm-rope", ["norm q 3,4,8", "norm k 3,2,8", "rope 3,4,8 at p", "rope 3,2,8 at p"]],
    ["rope-norm", ["rope 3,4,8 at p", "rope 3,2,8 at p", "norm q 3,4,8", "norm k 3,2,8"]],
  ] as const)("run in the order %s, then the write, for any tensors and the caller's code", (order, said) => {
    const { log, norm, turn, write } = recorder();
    const options: Options = {
      headDim: 8,
      rope: turn,
      positions: "p",
      v: flat([3, 16]),
      cache: { write },
      order,
    };
    const results = applyQkNormRope(...pair(), norm("q"), norm("k"), options);
    expect(log).toEqual([...said, "write 3,2,8 3,2,8"]);
    expect(results.map((x) => x.shape)).toEqual([
      [3, 32],
      [3, 16],
    ]);
  });

  test("leave out what is not asked for", () => {
    const { log, norm, turn } = recorder();
    const [q, k] = pair();
    expect(applyQkNormRope(q, k, null, null, { headDim: 8 })).toEqual([q, k]);
    applyQkNormRope(q, k, null, norm("k"), { headDim: 8 });
    applyQkNormRope(q, k, null, null, { headDim: 8, rope: { forward: turn }, positions: 1 });
    expect(log).toEqual(["norm k 3,2,8", "rope 3,4,8 at 1", "rope 3,2,8 at 1"]);
  });

  test("are the provider's where rope and cache are data and the kernel refuses", () => {
    const { written } = chainProvider({ prepare: () => [{ code: "rope", detail: "no kernel" }] });
    const [q, k] = pair();
    const v = flat([3, 16], 5);
    const options: Options = { headDim: 8, rope: tables, positions: 0, v, cache: memory() };
    const [nq, nk] = applyQkNormRope(q, k, null, null, options);
    expect([nq, nk]).toEqual([mapped(q, (x) => x + 1), mapped(k, (x) => x + 1)]);
    expect(written).toEqual([[nk.reshape([3, 2, 8]), v.reshape([3, 2, 8])]]);
  });

  test("do not begin when the provider finds an argument wrong", () => {
    const wrong = new Error("positions outside the tables");
    chainProvider({
      prepare: () => [{ code: "rope", detail: "no kernel" }],
      steps: () => {
        throw wrong;
      },
    });
    const norm = countingNorm();
    const options: Options = { headDim: 8, rope: tables, positions: 99 };
    expect(() => applyQkNormRope(...pair(), norm, norm, options)).toThrow(/positions outside/);
    expect(norm.seen).toEqual([]);
  });
});

describe("the plan", () => {
  const planned = (options: Options, qNorm = countingNorm(rms)) => {
    const [q, k] = pair();
    return planQkNormRope({ q, k, qNorm, kNorm: countingNorm(rms), options });
  };

  test("names the provider, and explains itself in one line", () => {
    const { runs } = chainProvider();
    const plan = planned({ headDim: 8, rope: tables, positions: 0, v: flat([3, 16]), cache: memory() });
    expect(plan).toMatchObject({
      path: "fused",
      provider: "fake",
      inPlace: true,
      steps: ["norm", "rope", "write"],
    });
    expect(explainQkNormRope(plan)).toBe(
      "norm, rope and write fused by fake, in place: 3 tokens, 4 query heads and 2 KV heads of 8",
    );
    expect(runs).toEqual([]);
  });

  test("names the steps, who runs each, and every reason", () => {
    chainProvider({ prepare: () => [{ code: "cache", detail: "pages of 3" }] });
    const turn = Object.assign((x: FlatTensor) => x, { spec: tables });
    const options: Options = { headDim: 8, rope: turn, positions: 0, v: flat([3, 16]), cache: memory() };
    expect(planned(options)).toMatchObject({
      path: "fallback",
      steps: [
        { step: "norm", plan: { path: "fused", provider: "fake" } },
        { step: "rope", by: "caller" },
        { step: "write", by: "fake" },
      ],
      reasons: [{ code: "cache", detail: "pages of 3", provider: "fake" }],
    });
    const [q, k] = pair();
    const norm = countingNorm(rms);
    expect(explainQkNormRope({ q, k, qNorm: norm, kNorm: norm, options })).toBe(
      [
        "norm (fused by fake, in place), then rope by caller, then write by fake: 3 tokens, 4 query heads and 2 KV heads of 8",
        "  cache: pages of 3 (fake)",
      ].join("\n"),
    );
  });

  test("says which part is code alone", () => {
    chainProvider();
    const plan = planned(
      { headDim: 8, rope: (x) => x, positions: 0, v: flat([3, 16]), cache: { write: () => {} } },
      countingNorm(),
    );
    expect(plan).toMatchObject({ reasons: [{ code: "no-spec" }, { code: "no-spec" }, { code: "no-spec" }] });
  });

  test("says that a provider has no chain", () => {
    onTestFinished(registerFusedQkNorm(fakeProvider("plain")));
    const plan = planned({ headDim: 8, rope: (x) => x, positions: 0 });
    expect(plan).toMatchObject({ path: "fallback", reasons: [{ code: "no-spec" }] });
    const data = Object.assign((x: FlatTensor) => x, { spec: tables });
    expect(planned({ headDim: 8, rope: data, positions: 0 })).toMatchObject({
      reasons: [{ code: "kernel", provider: "plain" }],
    });
  });
});

describe("steps one by one", () => {
  test("are given the tables and the memory that are data, and not those beside code", () => {
    const given: unknown[] = [];
    chainProvider({
      prepare: () => [{ code: "cache", detail: "pages of 3" }],
      steps: ({ rope, cache }) => {
        given.push([rope === null, cache === null]);
        return { rotate: (x) => x, write: () => {} };
      },
    });
    const norm = countingNorm(rms);
    const [v, write] = [flat([3, 16]), () => {}];
    const turn = (x: FlatTensor) => x;
    for (const [rope, cache] of [
      [tables, { ...memory() }],
      [turn, { ...memory() }],
      [tables, { write }],
    ] as const) {
      applyQkNormRope(...pair(), norm, norm, { headDim: 8, rope, positions: 0, v, cache } as Options);
    }
    expect(given).toEqual([
      [false, false],
      [true, false],
      [false, true],
    ]);
  });
});

test("one head in all is normalised, and no head nor token asks for nothing", () => {
  const norm = countingNorm(rms);
  applyQkNormRope(flat([3, 8]), flat([3, 0]), norm, norm, { headDim: 8, path: "fallback" });
  expect(norm.seen).toContainEqual([3, 1, 8]);
  const idle = countingNorm(rms);
  const [q, k] = [flat([3, 0]), flat([3, 0])];
  expect(applyQkNormRope(q, k, idle, idle, { headDim: 8, path: "fallback" })).toEqual([q, k]);
  expect(idle.seen).toEqual([]);
});

describe("what was prepared", () => {
  test("stays, whichever of several calls of one layer comes next", () => {
    const { calls, runs } = chainProvider();
    const norm = countingNorm(rms);
    const orders = ["norm-rope", "rope-norm"] as const;
    const all = orders.flatMap((order) => [true, false].map((allowInplace) => ({ order, allowInplace })));
    for (const at of [0, 1, 2, 3, 2, 0, 3, 1, 1, 0, 2, 3]) {
      const options = { headDim: 8, rope: tables, positions: "p", ...all[at] };
      applyQkNormRope(...pair(), norm, norm, options);
    }
    expect([calls.length, runs.length]).toEqual([4, 12]);
  });

  test("for a call without a cache is not taken for one with a cache, nor the other way round", () => {
    const { written, calls } = chainProvider();
    const norm = countingNorm(rms);
    const [q, k] = pair();
    const [v, cache] = [flat([3, 2, 8]), memory()];
    const turned = { headDim: 8, rope: tables, positions: "p" } as const;
    applyQkNormRope(q, k, norm, norm, turned);
    applyQkNormRope(q, k, norm, norm, { ...turned, v, cache });
    applyQkNormRope(q, k, norm, norm, { headDim: 8, v, cache });
    expect(calls.map((call) => [call.rope !== null, call.cache !== null])).toEqual([
      [true, false],
      [true, true],
      [false, true],
    ]);
    expect(written).toEqual([]);
  });
});

describe("warming up", () => {
  test("hands the whole call to the chain's provider, and nothing where the fallback was asked for", async () => {
    const warmed: unknown[] = [];
    chainProvider({ warmUp: async (call) => void warmed.push(call) });
    const [q, k] = pair();
    const request = { q, k, qNorm: countingNorm(rms), kNorm: null };
    const options = { headDim: 8, rope: tables, positions: "p" } as const;
    expect(await warmUpQkNormRope({ ...request, options })).toMatchObject({ path: "fused" });
    expect(warmed).toMatchObject([{ q, k, qSpec: rms, kSpec: null, rope: tables }]);
    await warmUpQkNormRope({ ...request, options: { ...options, path: "fallback" } });
    expect(warmed).toHaveLength(1);
  });
});

test("steps one by one are said once, with the reason", () => {
  const said: string[] = [];
  const silent = setQkNormLogger((sentence) => said.push(sentence));
  try {
    chainProvider({ prepare: () => [{ code: "dtype", detail: "of a kind of its own" }] });
    const options = { headDim: 8, rope: tables, positions: "p" } as const;
    const norm = countingNorm(rms);
    for (let again = 0; again < 2; again++) applyQkNormRope(...pair(), norm, norm, options);
    expect(said).toEqual([
      "qknorm: norm, RoPE and write in turn instead of the fused kernel: of a kind of its own (fake) [dtype]",
    ]);
  } finally {
    setQkNormLogger(silent);
  }
});
