import { afterEach, describe, expect, test, vi } from "vitest";
import { countingNorm, fakeProvider, negated, rms, running } from "../test/fake-provider.ts";
import { FakeStream } from "../test/fake-stream.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import type { NormSpec } from "./norm-spec.ts";
import { planQkNorm, type QkNormPlan } from "./plan.ts";
import type { FusedQkNormProvider } from "./provider.ts";
import type { RefusalCode } from "./refusal.ts";
import { registerFusedQkNorm } from "./registry.ts";
import type { QkNormRequest } from "./request.ts";
import { capture, withStream } from "./stream.ts";

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

function register(provider: FusedQkNormProvider<FlatTensor>): void {
  cleanup.push(registerFusedQkNorm(provider));
}

function request(over: Partial<QkNormRequest<FlatTensor>> = {}): QkNormRequest<FlatTensor> {
  return {
    q: flat([3, 4, 8]),
    k: flat([3, 2, 8]),
    qNorm: countingNorm(rms),
    kNorm: countingNorm(rms),
    headDim: 8,
    ...over,
  };
}

function codes(plan: QkNormPlan): readonly string[] {
  return plan.path === "fused" ? [] : plan.reasons.map((reason) => reason.code);
}

describe("the fused path", () => {
  test("is taken when a provider claims both tensors, both norms have specs and nothing is refused", () => {
    register(fakeProvider("fake"));
    expect(planQkNorm(request())).toEqual({
      path: "fused",
      provider: "fake",
      inPlace: true,
      layout: { order: "tokens-first", leading: [3], tokens: 3, headDim: 8, queryHeads: 4, kvHeads: 2 },
    });
  });

  test("says that it will not write when the caller forbids it", () => {
    register(fakeProvider("fake"));
    expect(planQkNorm(request({ options: { allowInplace: false } }))).toMatchObject({
      path: "fused",
      inPlace: false,
    });
  });

  test("is planned without running a norm, a kernel or a reshape", () => {
    const provider = fakeProvider("fake");
    register(provider);
    const { q, k, ...rest } = request();
    const reshapes = [vi.spyOn(q, "reshape"), vi.spyOn(k, "reshape")];
    planQkNorm({ q, k, ...rest });
    expect(reshapes.map((spy) => spy.mock.calls.length)).toEqual([0, 0]);
    expect(provider.calls).toEqual([]);
    expect([rest.qNorm, rest.kNorm].map((norm) => (norm as ReturnType<typeof countingNorm>).seen)).toEqual([
      [],
      [],
    ]);
  });

  test("hands the provider the specs, the layout and whether it may write", () => {
    const prepare = vi.fn(() => running((q, k) => [q, k]));
    register(fakeProvider("fake", { prepare }));
    const kSpec: NormSpec = { ...rms, eps: 1e-5, kind: "layer" };
    const asked = request({ kNorm: countingNorm(kSpec), options: { allowInplace: false } });
    const { layout } = planQkNorm(asked);
    expect(prepare).toHaveBeenCalledExactlyOnceWith({
      q: asked.q,
      k: asked.k,
      qSpec: rms,
      kSpec,
      layout,
      allowInplace: false,
    });
  });

  test("says in place where the provider does, not where it merely might be", () => {
    register(fakeProvider("apart", { prepare: () => running((q, k) => [negated(q), negated(k)], false) }));
    expect(planQkNorm(request())).toMatchObject({ path: "fused", inPlace: false });
  });

  test("takes a function as norm, when it carries a spec", () => {
    register(fakeProvider("fake"));
    const norm = Object.assign((x: FlatTensor) => x, { spec: rms });
    expect(planQkNorm(request({ qNorm: norm, kNorm: norm })).path).toBe("fused");
  });
});

describe("one broken condition alone gives exactly its reason", () => {
  test.each<[string, Partial<QkNormRequest<FlatTensor>>, string]>([
    ["a q norm without spec", { qNorm: countingNorm() }, "no-spec"],
    ["a k norm without spec", { kNorm: countingNorm() }, "no-spec"],
    ["a plain function as norm", { kNorm: (x) => x }, "no-spec"],
  ])("%s", (_, over, code) => {
    register(fakeProvider("fake"));
    expect(codes(planQkNorm(request(over)))).toEqual([code]);
  });

  test("no provider at all", () => {
    expect(codes(planQkNorm(request()))).toEqual(["no-provider"]);
  });

  test.each(["q", "k"] as const)("a provider that does not claim %s", (side) => {
    const asked = request();
    register(fakeProvider("fake", { claims: (tensor) => tensor !== asked[side] }));
    expect(codes(planQkNorm(asked))).toEqual(["no-provider"]);
  });

  test.each<RefusalCode>([
    "dtype",
    "weight-dtype",
    "weight-shape",
    "head-dim",
    "axis-row",
    "layout",
    "in-place",
    "spec",
    "kernel",
  ])("a provider's own refusal: %s, with its detail and its name", (code) => {
    register(fakeProvider("fake", { prepare: () => [{ code, detail: "seen" }] }));
    expect(planQkNorm(request())).toMatchObject({
      path: "fallback",
      streams: 1,
      reasons: [{ code, detail: "seen", provider: "fake" }],
    });
  });
});

test("several broken conditions give all their reasons", () => {
  const asked = request({ qNorm: countingNorm(), kNorm: countingNorm(), options: { path: "fallback" } });
  expect(codes(planQkNorm(asked))).toEqual(["requested", "no-provider", "no-spec", "no-spec"]);
});

test("a provider is not asked about norms that no kernel can run", () => {
  const prepare = vi.fn(() => running((q, k) => [q, k]));
  register(fakeProvider("fake", { prepare }));
  planQkNorm(request({ qNorm: countingNorm() }));
  expect(prepare).not.toHaveBeenCalled();
});

describe("several providers", () => {
  const refusing = (name: string, code: RefusalCode) =>
    fakeProvider(name, { prepare: () => [{ code, detail: "no" }] });

  test("are asked in the order of registration, and the first that refuses nothing runs", () => {
    register(refusing("first", "dtype"));
    register(fakeProvider("second"));
    register(fakeProvider("third"));
    expect(planQkNorm(request())).toMatchObject({ path: "fused", provider: "second" });
  });

  test("that all refuse are all named", () => {
    register(refusing("first", "dtype"));
    register(fakeProvider("of another library", { claims: () => false }));
    register(refusing("second", "head-dim"));
    const plan = planQkNorm(request());
    expect(plan.path === "fallback" && plan.reasons.map((r) => [r.provider, r.code])).toEqual([
      ["first", "dtype"],
      ["second", "head-dim"],
    ]);
  });
});

describe("streams of the fallback", () => {
  const main = new FakeStream("main", []);
  const altStream = new FakeStream("alt", []);
  const streams = (over: Partial<QkNormRequest<FlatTensor>>): number => {
    const plan = planQkNorm(request(over));
    return plan.path === "fallback" ? plan.streams : 0;
  };

  test("are two only while capturing, with a second stream and a current one of its device", () => {
    const inCapture = (over: Partial<QkNormRequest<FlatTensor>>) =>
      withStream(main, () => capture(() => streams(over)));
    expect(inCapture({ options: { altStream } })).toBe(2);
    expect(inCapture({})).toBe(1);
    expect(inCapture({ options: { altStream: undefined } })).toBe(1);
    expect(inCapture({ options: { altStream: null } })).toBe(1);
    expect(inCapture({ options: { altStream: main } })).toBe(1);
    expect(inCapture({ options: { altStream: new FakeStream("alt", [], 3) } })).toBe(1);
    expect(withStream(main, () => streams({ options: { altStream } }))).toBe(1);
    expect(capture(() => streams({ options: { altStream } }))).toBe(1);
  });
});

describe("the same tensor as q and k", () => {
  const q = flat([3, 2, 8]);

  test("is an error while it may be written", () => {
    expect(() => planQkNorm(request({ q, k: q }))).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_OVERLAP" }),
    );
  });

  test("is allowed when nothing is written", () => {
    expect(codes(planQkNorm(request({ q, k: q, options: { allowInplace: false } })))).toEqual([
      "no-provider",
    ]);
  });
});

test("an error about the call itself passes, where a fallback would hide it", () => {
  register(
    fakeProvider("fake", {
      prepare: () => planQkNorm(request({ headDim: 7 })) as never,
    }),
  );
  expect(() => planQkNorm(request())).toThrow(expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }));
});
