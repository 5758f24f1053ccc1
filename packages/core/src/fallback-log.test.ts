import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { FlatTensor } from "../test/flat-tensor.ts";

// "Once per process" is state of the process: every test starts with a process that has none.
beforeEach(() => {
  vi.resetModules();
  Reflect.deleteProperty(globalThis, Symbol.for("@qknorm/core/state/1"));
});

afterEach(() => {
  vi.spyOn(console, "warn").mockClear();
});

async function fresh() {
  const core = await import("./index.ts");
  const { flat } = await import("../test/flat-tensor.ts");
  const apply = (spec?: Parameters<typeof core.assertNormSpec>[0]): void => {
    const norm = Object.assign((x: FlatTensor) => x, { spec: spec as never });
    core.applyQkNorm(flat([3, 32]), flat([3, 16]), norm, norm, 8);
  };
  return { core, apply };
}

test("what would make a provider faster is said once, at its first call and not when it is explained", async () => {
  const { core, apply } = await fresh();
  const { fakeProvider, rms, running } = await import("../test/fake-provider.ts");
  const logger = vi.fn();
  core.setQkNormLogger(logger);
  const prepare = () => running((q, k) => [q, k]);
  core.registerFusedQkNorm({
    ...fakeProvider("slow", { claims: () => true, prepare }),
    advice: "run faster",
  });
  const { flat } = await import("../test/flat-tensor.ts");
  const norm = Object.assign((x: FlatTensor) => x, { spec: rms });
  core.explainQkNorm({ q: flat([3, 32]), k: flat([3, 16]), qNorm: norm, kNorm: norm, headDim: 8 });
  expect(logger).not.toHaveBeenCalled();
  for (let i = 0; i < 3; i++) apply(rms);
  expect(logger.mock.calls).toEqual([
    [
      "qknorm: run faster (slow) [slow-kernel]",
      { code: "slow-kernel", detail: "run faster", provider: "slow" },
    ],
  ]);
});

describe("a fallback", () => {
  test("is said once for each reason, however often it happens", async () => {
    const { core, apply } = await fresh();
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    for (let i = 0; i < 3; i++) apply();
    expect(logger.mock.calls.map(([, reason]) => reason.code)).toEqual(["no-provider", "no-spec"]);
    expect(logger.mock.calls[0]?.[0]).toBe(
      "qknorm: two separate norms instead of the fused kernel: no registered provider claims both tensors [no-provider]",
    );
  });

  test("is not said to who asked for it", async () => {
    const { core } = await fresh();
    const { flat } = await import("../test/flat-tensor.ts");
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    const norm = (x: FlatTensor) => x;
    core.applyQkNorm(flat([3, 32]), flat([3, 16]), norm, norm, 8, { path: "fallback" });
    expect(logger.mock.calls.map(([, reason]) => reason.code)).not.toContain("requested");
    expect(
      core.planQkNorm({
        q: flat([3, 32]),
        k: flat([3, 16]),
        qNorm: norm,
        kNorm: norm,
        headDim: 8,
        options: { path: "fallback" },
      }),
    ).toMatchObject({ reasons: expect.arrayContaining([expect.objectContaining({ code: "requested" })]) });
  });

  test("is said once for each provider that refused, with its name", async () => {
    const { core, apply } = await fresh();
    const { fakeProvider, rms } = await import("../test/fake-provider.ts");
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    for (const name of ["first", "second"]) {
      core.registerFusedQkNorm(
        fakeProvider(name, { claims: () => true, prepare: () => [{ code: "dtype", detail: "f8" }] }),
      );
    }
    for (let i = 0; i < 3; i++) apply(rms);
    expect(logger.mock.calls.map(([sentence]) => sentence)).toEqual([
      "qknorm: two separate norms instead of the fused kernel: f8 (first) [dtype]",
      "qknorm: two separate norms instead of the fused kernel: f8 (second) [dtype]",
    ]);
  });

  test("goes to console.warn when nobody asked for it elsewhere", async () => {
    const { apply } = await fresh();
    apply();
    expect(vi.spyOn(console, "warn").mock.calls.map(([sentence]) => sentence)).toEqual([
      expect.stringContaining("[no-provider]"),
      expect.stringContaining("[no-spec]"),
    ]);
  });

  test("is not said while the logger is null, and not lost either", async () => {
    const { core, apply } = await fresh();
    core.setQkNormLogger(null);
    apply();
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    expect(logger).not.toHaveBeenCalled();
    apply();
    expect(logger).toHaveBeenCalledTimes(2);
  });

  test("is not said for a plan, nor for empty input", async () => {
    const { core } = await fresh();
    const { flat } = await import("../test/flat-tensor.ts");
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    const norm = (x: FlatTensor): FlatTensor => x;
    core.planQkNorm({ q: flat([3, 32]), k: flat([3, 16]), qNorm: norm, kNorm: norm, headDim: 8 });
    core.applyQkNorm(flat([0, 32]), flat([0, 16]), norm, norm, 8);
    expect(logger).not.toHaveBeenCalled();
  });
});

test("setting a logger gives back the former one", async () => {
  const { core } = await fresh();
  const logger = (): void => {};
  const first = core.setQkNormLogger(logger);
  expect(first).toBeTypeOf("function");
  expect(core.setQkNormLogger(null)).toBe(logger);
  expect(core.setQkNormLogger(first)).toBe(null);
});

test.each([undefined, 5, "log", {}, Symbol("log")])(
  "%s is no logger, and the former one stays",
  async (garbage) => {
    const { core } = await fresh();
    const logger = vi.fn();
    core.setQkNormLogger(logger);
    expect(() => core.setQkNormLogger(garbage as never)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }),
    );
    expect(core.setQkNormLogger(null)).toBe(logger);
  },
);
