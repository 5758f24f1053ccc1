import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fakeProvider, negated, rms, running } from "../test/fake-provider.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import { applyQkNorm } from "./apply-qk-norm.ts";
import { type QkNormLogger, setQkNormLogger } from "./fallback-log.ts";
import type { NormSpec } from "./norm-spec.ts";
import type { FusedQkNormProvider } from "./provider.ts";
import { registerFusedQkNorm } from "./registry.ts";
import type { QkNormOptions } from "./request.ts";

let logger: QkNormLogger | null;
beforeAll(() => {
  logger = setQkNormLogger(null);
});
afterAll(() => {
  setQkNormLogger(logger);
});

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

const register = (provider: FusedQkNormProvider<FlatTensor>): (() => void) => {
  const remove = registerFusedQkNorm(provider);
  cleanup.push(remove);
  return remove;
};

/** Prepares for tensors of the call's shapes, and writes down what it is asked. */
function preparing(name: string, log: string[], over: Partial<FusedQkNormProvider<FlatTensor>> = {}) {
  return fakeProvider(name, {
    prepare: ({ q: like }) => {
      log.push(`${name} planned`);
      return running((q, k) => {
        if (`${q.shape}` !== `${like.shape}`) return null;
        log.push(`${name} ran`);
        return [negated(q), negated(k)];
      });
    },
    ...over,
  });
}

function scene(over: Partial<FusedQkNormProvider<FlatTensor>> = {}) {
  const log: string[] = [];
  register(preparing("a", log, over));
  let spec: NormSpec = { ...rms };
  const norm = {
    get spec() {
      return spec;
    },
    forward: negated,
  };
  const apply = (options?: QkNormOptions, tokens = 3, kNorm = norm) =>
    applyQkNorm(flat([tokens, 32]), flat([tokens, 16]), norm, kNorm, 8, options);
  const change = (next: Partial<NormSpec>): void => {
    spec = { ...spec, ...next };
  };
  const heard = (): string => log.splice(0).join(", ");
  return { log, norm, apply, change, heard };
}

describe("a call that repeats", () => {
  test("is planned once and run as it was prepared from then on, with the provider's results", () => {
    const { apply, heard } = scene();
    const q = flat([3, 32], 1);
    const first = apply();
    expect(heard()).toBe("a planned, a ran");
    for (const options of [
      undefined,
      {},
      { allowInplace: true },
      { altStream: null, path: "auto" as const },
    ]) {
      expect(apply(options)).toEqual(first);
      expect(heard()).toBe("a ran");
    }
    expect(q).toEqual(flat([3, 32], 1));
  });

  test.each<[string, Partial<NormSpec>]>([
    ["weight", { weight: {} }],
    ["bias", { bias: {} }],
    ["eps", { eps: 1e-5 }],
    ["kind", { kind: "l2" }],
    ["axis", { axis: "row" }],
    ["weight offset", { weightOffset: 1 }],
    ["rounding", { rounding: "hf" }],
  ])("is planned anew when the norms' %s has changed, also within the same norm", (_, next) => {
    const { apply, change, heard } = scene();
    apply();
    heard();
    change(next);
    apply();
    expect(heard()).toBe("a planned, a ran");
    apply();
    expect(heard()).toBe("a ran");
  });

  test("fails when a norm's spec has broken", () => {
    const { apply, change, heard } = scene();
    apply();
    heard();
    change({ eps: Number.NaN });
    expect(() => apply()).toThrow(expect.objectContaining({ code: "ERR_QKNORM_NORM" }));
    expect(heard()).toBe("");
  });

  test.each<[string, QkNormOptions, string]>([
    ["out of place", { allowInplace: false }, "a planned, a ran"],
    ["by the fallback", { path: "fallback" }, ""],
  ])("asked for %s is not run as another was", (_, options, says) => {
    const { apply, heard } = scene();
    apply();
    heard();
    apply(options);
    expect(heard()).toBe(says);
  });

  test("with heads first is not run as one with tokens first was, though the shapes are equal", () => {
    const { norm, heard } = scene();
    const call = (options: QkNormOptions) =>
      applyQkNorm(flat([2, 2, 8]), flat([2, 2, 8]), norm, norm, 8, options);
    call({});
    heard();
    for (const says of ["a planned, a ran", "a ran"]) {
      call({ layout: "heads-first" });
      expect(heard()).toBe(says);
    }
  });

  test("with another k norm, or another head dim, is planned", () => {
    const { norm, apply, heard } = scene();
    apply();
    heard();
    apply({}, 3, { spec: { ...rms }, forward: negated } as never);
    expect(heard()).toBe("a planned, a ran");
    applyQkNorm(flat([3, 32]), flat([3, 16]), norm, norm, 16);
    expect(heard()).toBe("a planned, a ran");
  });

  test("is checked all the same: options that are none, tensors that are none", () => {
    const { norm, apply } = scene();
    apply();
    for (const options of [null, 1, { allowInplace: 1 }, { altStream: {} }, { path: "fused" }]) {
      expect(() => apply(options as QkNormOptions)).toThrow(
        expect.objectContaining({ code: "ERR_QKNORM_ARGUMENT" }),
      );
    }
    const none = undefined as unknown as FlatTensor;
    expect(() => applyQkNorm(none, none, norm, norm, 8)).toThrow();
  });

  test("reads each option once", () => {
    const { apply } = scene();
    const reads: string[] = [];
    const options = {
      get allowInplace() {
        reads.push("allowInplace");
        return true;
      },
      get path() {
        reads.push("path");
        return "auto" as const;
      },
    };
    apply(options);
    expect(reads.splice(0).sort()).toEqual(["allowInplace", "path"]);
    apply(options);
    expect(reads.sort()).toEqual(["allowInplace", "path"]);
  });

  test("keeps several layouts apart, and forgets the one used longest ago", () => {
    const { apply, heard } = scene();
    for (const tokens of [1, 2, 3, 4, 5, 6, 7, 8]) apply({}, tokens);
    heard();
    for (const tokens of [8, 1, 4, 1]) apply({}, tokens);
    expect(heard()).toBe("a ran, a ran, a ran, a ran");
    apply({}, 9);
    heard();
    apply({}, 1);
    expect(heard()).toBe("a ran");
  });
});

describe("providers that come and go", () => {
  test("are heard: one that is taken out runs nothing more, one that replaces another runs", () => {
    const { apply, heard, log } = scene();
    apply();
    heard();
    const remove = register(preparing("a", log));
    apply();
    expect(heard()).toBe("a planned, a ran");
    remove();
    apply();
    expect(heard()).toBe("");
  });

  test("that come later do not disturb, though the call is planned anew", () => {
    const { apply, heard, log } = scene();
    apply();
    heard();
    register(preparing("b", log));
    apply();
    apply();
    expect(heard()).toBe("a planned, a ran, a ran");
  });
});

describe("a provider that prepares", () => {
  test("for the tensors of one call alone is asked about each", () => {
    const { apply, heard, log } = scene({
      prepare: (call) => {
        log.push("planned");
        return running((q, k) => (q === call.q && k === call.k ? [q, k] : null));
      },
    });
    apply();
    apply();
    expect(heard()).toBe("planned, planned");
  });

  test("and fails is named with its cause, the first time and later", () => {
    const boom = new RangeError("boom");
    let fails = false;
    const { apply } = scene({
      prepare: () =>
        running((q, k) => {
          if (fails) throw boom;
          return [q, k];
        }),
    });
    apply();
    fails = true;
    expect(() => apply()).toThrow(
      expect.objectContaining({
        code: "ERR_QKNORM_PROVIDER",
        message: "provider a: the prepared run failed: boom",
        cause: boom,
      }),
    );
  });
});
