import { describe, expect, test } from "vitest";
import { countingNorm, fakeProvider, negated, rms, running } from "../test/fake-provider.ts";
import { FakeStream } from "../test/fake-stream.ts";
import { FlatTensor, flat } from "../test/flat-tensor.ts";
import { quietLog } from "../test/quiet-log.ts";
import { applyQkNorm } from "./apply-qk-norm.ts";
import { registerFusedQkNorm } from "./registry.ts";
import { capture, currentStream, withStream } from "./stream.ts";

quietLog();

describe("the fused path", () => {
  test("returns what the provider returns and calls no norm", () => {
    const provider = fakeProvider("fake");
    const remove = registerFusedQkNorm(provider);
    const [q, k] = [flat([3, 32], 1), flat([3, 16], 2)];
    const norm = countingNorm(rms);
    expect(applyQkNorm(q, k, norm, norm, 8)).toEqual([negated(q), negated(k)]);
    expect(norm.seen).toEqual([]);
    expect(provider.calls).toHaveLength(1);
    remove();
  });

  test("accepts q and k themselves back, as an in-place kernel returns them", () => {
    const remove = registerFusedQkNorm(fakeProvider("fake", { prepare: () => running((q, k) => [q, k]) }));
    const [q, k] = [flat([3, 32]), flat([3, 16])];
    const results = applyQkNorm(q, k, countingNorm(rms), countingNorm(rms), 8);
    expect(results[0]).toBe(q);
    expect(results[1]).toBe(k);
    remove();
  });
});

describe("the fallback", () => {
  test("shows each norm [..., H, D] and gives the shapes back that came in", () => {
    const [qNorm, kNorm] = [countingNorm(), countingNorm()];
    const results = applyQkNorm(flat([2, 3, 32]), flat([2, 3, 16]), qNorm, kNorm, 8);
    expect([qNorm.seen, kNorm.seen]).toEqual([[[2, 3, 4, 8]], [[2, 3, 2, 8]]]);
    expect(results.map((x) => x.shape)).toEqual([
      [2, 3, 32],
      [2, 3, 16],
    ]);
  });

  test("shows each norm heads that come first as they are", () => {
    const [qNorm, kNorm] = [countingNorm(), countingNorm(rms)];
    const options = { layout: "heads-first" } as const;
    const results = applyQkNorm(flat([2, 4, 3, 8]), flat([2, 2, 3, 8]), qNorm, kNorm, 8, options);
    expect([qNorm.seen, kNorm.seen]).toEqual([[[2, 4, 3, 8]], [[2, 2, 3, 8]]]);
    expect(results.map((x) => x.shape)).toEqual([
      [2, 4, 3, 8],
      [2, 2, 3, 8],
    ]);
  });

  test.each([
    ["that runs across heads", { ...rms, axis: "row" as const }],
    ["with a weight for each head", { ...rms, weight: { shape: [2, 8] } }],
  ])("refuses a norm %s when the heads come first, before either norm runs", (_, spec) => {
    const [qNorm, kNorm] = [countingNorm(), countingNorm(spec)];
    expect(() =>
      applyQkNorm(flat([4, 3, 8]), flat([2, 3, 8]), qNorm, kNorm, 8, { layout: "heads-first" }),
    ).toThrow(expect.objectContaining({ code: "ERR_QKNORM_NORM" }));
    expect(qNorm.seen).toEqual([]);
  });

  test("shows a norm across heads [..., H*D], also when the heads are split", () => {
    const [qNorm, kNorm] = [countingNorm({ ...rms, axis: "row" }), countingNorm()];
    const results = applyQkNorm(flat([3, 4, 8]), flat([3, 2, 8]), qNorm, kNorm, 8);
    expect([qNorm.seen, kNorm.seen]).toEqual([[[3, 32]], [[3, 2, 8]]]);
    expect(results.map((x) => x.shape)).toEqual([
      [3, 4, 8],
      [3, 2, 8],
    ]);
  });

  test("takes functions and modules alike, and calls a module's forward on the module", () => {
    class Module {
      readonly #factor = 2;
      forward(x: FlatTensor): FlatTensor {
        return new FlatTensor(
          x.data.map((v) => v * this.#factor),
          x.shape,
        );
      }
    }
    const [q, k] = [flat([3, 32], 1), flat([3, 16], 2)];
    const [nq, nk] = applyQkNorm(q, k, new Module(), negated, 8);
    expect(nq.data).toEqual(q.data.map((v) => v * 2));
    expect(nk).toEqual(negated(k));
  });

  test("leaves q and k alone when the norms do", () => {
    const [q, k] = [flat([3, 32], 1), flat([3, 16], 2)];
    applyQkNorm(q, k, negated, negated, 8);
    expect([q, k]).toEqual([flat([3, 32], 1), flat([3, 16], 2)]);
  });

  test("runs when the provider refuses", () => {
    const provider = fakeProvider("fake", { prepare: () => [{ code: "head-dim", detail: "8" }] });
    const remove = registerFusedQkNorm(provider);
    const norm = countingNorm(rms);
    applyQkNorm(flat([3, 32]), flat([3, 16]), norm, norm, 8);
    expect([norm.seen.length, provider.calls.length]).toEqual([2, 0]);
    remove();
  });

  test.each<[string, unknown, string]>([
    ["nothing", () => undefined, "the result of the q norm must be a tensor with a shape, got undefined"],
    ["a promise", async (x: unknown) => x, "got an object of Promise"],
    ["another shape", () => flat([3, 8, 4]), "must have shape [3, 4, 8], got [3, 8, 4]"],
    ["a flattened row", (x: FlatTensor) => x.reshape([3, 32]), "must have shape [3, 4, 8], got [3, 32]"],
  ])("refuses a norm that returns %s", (_, norm, says) => {
    expect(() => applyQkNorm(flat([3, 32]), flat([3, 16]), norm as typeof negated, negated, 8)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_NORM", message: expect.stringContaining(says) }),
    );
  });

  test("lets a norm's own error out as it is", () => {
    const boom = new Error("boom");
    const fail = (): never => {
      throw boom;
    };
    expect(() => applyQkNorm(flat([3, 32]), flat([3, 16]), negated, fail, 8)).toThrow(boom);
  });
});

describe("empty input", () => {
  test.each([
    ["no token", [0, 32], [0, 16]],
    ["no batch", [0, 3, 4, 8], [0, 3, 2, 8]],
    ["no head", [3, 0, 8], [3, 0, 8]],
  ])("%s: q and k come back at once, untouched by norms and kernels", (_, qShape, kShape) => {
    const provider = fakeProvider("fake");
    const remove = registerFusedQkNorm(provider);
    for (const norm of [countingNorm(), countingNorm(rms)]) {
      const [q, k] = [flat(qShape), flat(kShape)];
      const results = applyQkNorm(q, k, norm, norm, 8);
      expect(results[0]).toBe(q);
      expect(results[1]).toBe(k);
      expect(norm.seen).toEqual([]);
    }
    expect(provider.calls).toEqual([]);
    remove();
  });

  test("is still checked", () => {
    expect(() => applyQkNorm(flat([0, 32]), flat([1, 16]), negated, negated, 8)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_SHAPE" }),
    );
  });
});

describe("two streams", () => {
  function record(kNorm?: () => never) {
    const log: string[] = [];
    const main = new FakeStream("main", log);
    const altStream = new FakeStream("alt", log);
    const norm = (side: string) => (x: FlatTensor) => {
      log.push(`${side} on ${(currentStream() as FakeStream | undefined)?.name ?? "no stream"}`);
      return x;
    };
    const apply = () =>
      applyQkNorm(flat([3, 32]), flat([3, 16]), norm("q"), kNorm ?? norm("k"), 8, { altStream });
    return { log, main, apply };
  }

  test("fork before the norms, run q here and k there, and join after both", () => {
    const { log, main, apply } = record();
    withStream(main, () => capture(apply));
    expect(log).toEqual(["alt waits for main", "q on main", "k on alt", "main waits for alt"]);
  });

  test("are not used outside of a capture, nor without a current stream", () => {
    const { log, main, apply } = record();
    withStream(main, apply);
    capture(apply);
    expect(log).toEqual(["q on main", "k on main", "q on no stream", "k on no stream"]);
  });

  test("are joined when a norm throws, and the current stream is restored", () => {
    const boom = new Error("boom");
    const { log, main, apply } = record(() => {
      throw boom;
    });
    withStream(main, () => {
      expect(() => capture(apply)).toThrow(boom);
      expect(currentStream()).toBe(main);
    });
    expect(log).toEqual(["alt waits for main", "q on main", "main waits for alt"]);
  });

  test("follow the options that were read at the start, also from a getter", () => {
    const { log, main } = record();
    const alt = new FakeStream("alt", log);
    let reads = 0;
    const options = {
      get altStream() {
        reads += 1;
        return reads === 1 ? alt : undefined;
      },
    };
    withStream(main, () =>
      capture(() => applyQkNorm(flat([3, 32]), flat([3, 16]), negated, negated, 8, options)),
    );
    expect(log).toEqual(["alt waits for main", "main waits for alt"]);
  });
});
