import { afterEach, describe, expect, test } from "vitest";
import { countingNorm, fakeProvider, rms, running } from "../test/fake-provider.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import { applyQkNorm } from "./apply-qk-norm.ts";
import { QkNormError } from "./errors.ts";
import { setQkNormLogger } from "./fallback-log.ts";
import type { FusedQkNormProvider } from "./provider.ts";
import { fusedQkNormProviders, registerFusedQkNorm } from "./registry.ts";

const cleanup: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanup.splice(0)) undo();
});

function register(provider: FusedQkNormProvider<FlatTensor>): void {
  cleanup.push(registerFusedQkNorm(provider));
}

const names = (): string[] => fusedQkNormProviders().map((provider) => provider.name);
const apply = () => applyQkNorm(flat([3, 32]), flat([3, 16]), countingNorm(rms), countingNorm(rms), 8);

describe("the registry", () => {
  test("starts empty and keeps the order of registration", () => {
    expect(names()).toEqual([]);
    for (const name of ["b", "a", "c"]) register(fakeProvider(name));
    expect(names()).toEqual(["b", "a", "c"]);
  });

  test("replaces a provider of the same name in its place", () => {
    register(fakeProvider("a"));
    register(fakeProvider("b"));
    const better = fakeProvider("a");
    register(better);
    expect(names()).toEqual(["a", "b"]);
    apply();
    expect(better.calls).toHaveLength(1);
  });

  test("takes a provider out again, once, and never the one that replaced it", () => {
    const remove = registerFusedQkNorm(fakeProvider("a"));
    register(fakeProvider("a"));
    remove();
    expect(names()).toEqual(["a"]);
    cleanup.pop()?.();
    remove();
    expect(names()).toEqual([]);
  });

  test("takes out one registration of a provider that was registered twice, the later one alone staying", () => {
    const provider = fakeProvider("a");
    const first = registerFusedQkNorm(provider);
    register(provider);
    first();
    expect(names()).toEqual(["a"]);
    cleanup.pop()?.();
    expect(names()).toEqual([]);
  });

  test("takes a provider out under the name it was registered with", () => {
    const provider = { ...fakeProvider("a") };
    const remove = registerFusedQkNorm(provider);
    provider.name = "b";
    remove();
    expect(names()).toEqual([]);
  });

  test("hands out a copy of its list", () => {
    (fusedQkNormProviders() as unknown[]).push(fakeProvider("a"));
    expect(names()).toEqual([]);
  });

  test.each<[string, unknown]>([
    ["null", null],
    ["undefined", undefined],
    ["a string", "cpu"],
    ["an empty object", {}],
    ["no name", { ...fakeProvider("a"), name: undefined }],
    ["an empty name", fakeProvider("")],
    ["a symbol as name", { ...fakeProvider("a"), name: Symbol("a") }],
    ["no claims", { ...fakeProvider("a"), claims: undefined }],
    ["no prepare", { ...fakeProvider("a"), prepare: true }],
  ])("refuses %s", (_, provider) => {
    expect(() => registerFusedQkNorm(provider as FusedQkNormProvider)).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_PROVIDER" }),
    );
    expect(names()).toEqual([]);
  });
});

describe("a provider that breaks its contract is named", () => {
  const boom = new RangeError("out of memory");
  const fail = (): never => {
    throw boom;
  };
  const runs = (run: (...args: never[]) => unknown) => ({ prepare: () => running(run as never) });
  test.each<[string, Record<string, unknown>, string]>([
    ["claims that throws", { claims: fail }, "claims failed: out of memory"],
    ["claims without answer", { claims: () => undefined }, "claims must return a boolean, got undefined"],
    ["claims that is asynchronous", { claims: async () => true }, "got an object of Promise"],
    ["prepare that throws", { prepare: fail }, "prepare failed: out of memory"],
    ["prepare without answer", { prepare: () => undefined }, "or a list of refusals, got undefined"],
    ["prepare that is asynchronous", { prepare: async () => [] }, "got an object of Promise"],
    ["prepare of one string", { prepare: () => "dtype" }, 'or a list of refusals, got "dtype"'],
    [
      "prepare without run",
      { prepare: () => ({ inPlace: true }) },
      "must return an object with run and inPlace",
    ],
    ["prepare without inPlace", { prepare: () => ({ run: () => null }) }, "with run and inPlace"],
    [
      "prepare that neither refuses nor runs",
      { prepare: () => [] },
      "it must say why it refuses, or what to run",
    ],
    [
      "refusals that are strings",
      { prepare: () => ["dtype"] },
      'a refusal needs a code and a detail, got "dtype"',
    ],
    ["a refusal of null", { prepare: () => [null] }, "a refusal needs a code and a detail, got null"],
    ["run that throws", runs(fail), "the prepared run failed: out of memory"],
    ["run that refuses the very call", runs(() => null), "the prepared run must return [q, k], got null"],
    ["run without result", runs(() => undefined), "the prepared run must return [q, k], got undefined"],
    ["run with q alone", runs((q: unknown) => [q]), "the prepared run must return [q, k], got an array of 1"],
    ["run with rubbish", runs(() => [1, 2]), "got 1"],
    ["run with an asynchronous result", runs(async () => [1, 2]), "got an object of Promise"],
    [
      "run with q and k exchanged",
      runs((q: unknown, k: unknown) => [k, q]),
      "the q of provider fake must have shape [3, 32], got [3, 16]",
    ],
    [
      "run with another shape of k",
      runs((q: FlatTensor, k: FlatTensor) => [q, k.reshape([3, 2, 8])]),
      "the k of provider fake must have shape [3, 16], got [3, 2, 8]",
    ],
  ])("%s", (_, over, says) => {
    register(fakeProvider("fake", over as Partial<FusedQkNormProvider<FlatTensor>>));
    expect(apply).toThrow(
      expect.objectContaining({ code: "ERR_QKNORM_PROVIDER", message: expect.stringContaining(says) }),
    );
    expect(apply).toThrow(/fake/);
  });

  test("and what it threw is kept as the cause", () => {
    register(fakeProvider("fake", runs(fail)));
    expect(apply).toThrow(expect.objectContaining({ cause: boom }));
  });

  test.each([[null], [undefined], ["no"], [Symbol("no")], [Object.create(null)]])(
    "even when it throws %o",
    (thrown) => {
      register(
        fakeProvider(
          "fake",
          runs(() => {
            throw thrown;
          }),
        ),
      );
      expect(apply).toThrow(expect.objectContaining({ code: "ERR_QKNORM_PROVIDER", cause: thrown }));
    },
  );

  test.each(["claims", "prepare"])("but a QkNormError of its %s is about the call, and passes", (method) => {
    const error = new QkNormError("ERR_QKNORM_OVERLAP", "q and k overlap");
    const over = {
      [method]: () => {
        throw error;
      },
    };
    register(fakeProvider("fake", over));
    expect(apply).toThrow(error);
  });
});

test("the methods of a provider, and of what it prepares, are called on the object itself", () => {
  class Provider implements FusedQkNormProvider<FlatTensor> {
    readonly name = "a class with state";
    #claimed = 0;
    claims(): boolean {
      this.#claimed += 1;
      return true;
    }
    prepare() {
      if (this.#claimed !== 2) throw new Error("unreachable");
      return new Prepared(this);
    }
  }
  class Prepared {
    readonly inPlace = true;
    readonly #provider: object;
    constructor(provider: object) {
      this.#provider = provider;
    }
    run(q: FlatTensor, k: FlatTensor): [FlatTensor, FlatTensor] {
      return this.#provider === undefined ? [k, q] : [q, k];
    }
  }
  register(new Provider());
  expect(apply().map((x) => x.shape)).toEqual([
    [3, 32],
    [3, 16],
  ]);
});

test("a provider that leaves while others are asked does no harm", () => {
  const former = setQkNormLogger(null);
  const remove: (() => void)[] = [];
  remove.push(
    registerFusedQkNorm(
      fakeProvider("leaving", {
        claims: () => {
          for (const undo of remove) undo();
          return false;
        },
      }),
    ),
  );
  const staying = fakeProvider("staying");
  register(staying);
  apply();
  expect(staying.calls).toHaveLength(1);
  setQkNormLogger(former);
});
