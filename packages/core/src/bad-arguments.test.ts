import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rms } from "../test/fake-provider.ts";
import { type FlatTensor, flat } from "../test/flat-tensor.ts";
import { quietLog } from "../test/quiet-log.ts";
import { applyQkNorm } from "./apply-qk-norm.ts";
import { describe as inWords } from "./describe.ts";
import { QkNormError } from "./errors.ts";
import { explainQkNorm } from "./explain.ts";
import { planQkNorm } from "./plan.ts";

quietLog();

const own = new Error("the getter's own error");
const throwing = new Proxy(() => {}, {
  get() {
    throw own;
  },
});
const everything: unknown = new Proxy(() => {}, { get: () => everything, apply: () => everything });
const detached = new Float64Array(2);
structuredClone(detached.buffer, { transfer: [detached.buffer] });

const garbage: [string, unknown][] = [
  ["null", null],
  ["undefined", undefined],
  ["true", true],
  ["NaN", Number.NaN],
  ["-1", -1],
  ["0.5", 0.5],
  ["a bigint", 8n],
  ["a string", "q"],
  ["a symbol", Symbol("q")],
  ["an object without prototype", Object.create(null)],
  ["an array", [3, 32]],
  ["a date", new Date(0)],
  ["a typed array", new Float32Array(8)],
  ["a detached array", detached],
  ["a class", class Norm {}],
  ["a proxy that throws", throwing],
  ["a proxy that is everything", everything],
  ["a nameless class", new (class {})()],
  ["an object whose constructor is a symbol", { constructor: { name: Symbol("name") } }],
];

const shapes: [string, unknown][] = [
  ["negative", [-3, 32]],
  ["broken", [1.5, 32]],
  ["NaN", [Number.NaN, 32]],
  ["infinite", [Number.POSITIVE_INFINITY, 32]],
  ["of strings", ["3", "32"]],
  ["of bigints", [3n, 32n]],
  ["of symbols", [Symbol("3"), 32]],
  ["of objects", [Object.create(null), 32]],
  ["with holes", Array(2)],
  ["of four billion holes", Array(2 ** 32 - 1)],
  ["a DataView", new DataView(new ArrayBuffer(8))],
  [
    "an array proxy without length",
    new Proxy([3, 32], { get: (t, p) => (p === "length" ? undefined : Reflect.get(t, p)) }),
  ],
  ["huge", [2 ** 50, 2 ** 50, 32]],
  ["a number", 96],
  ["a string", "3,32"],
  ["an object", { 0: 3, 1: 32, length: 2 }],
  ["a promise", Promise.resolve([3, 32])],
  ["a method that gives nothing", () => undefined],
];

const norm = (x: FlatTensor): FlatTensor => x;
const good: unknown[] = [flat([3, 32]), flat([3, 16]), norm, norm, 8, {}];
const names = ["q", "k", "qNorm", "kNorm", "headDim", "options"];
const call = applyQkNorm as (...args: unknown[]) => unknown;

// What a user may see: a QkNormError with a message, or what a getter of the argument threw. Never a stray TypeError.
function assertReadable(run: () => unknown, mayPass = false): void {
  try {
    run();
  } catch (error) {
    if (error === own) return;
    expect(error).toBeInstanceOf(QkNormError);
    expect((error as QkNormError).code).toMatch(/^ERR_QKNORM_/);
    expect((error as QkNormError).message.length).toBeGreaterThan(10);
    return;
  }
  expect(mayPass, "the call must throw").toBe(true);
}

describe.each(names.map((name, position) => [name, position] as const))("as %s", (name, position) => {
  // What is no garbage there: missing options are options, and a class or a proxy may be called as a norm.
  const fits = (what: string): boolean =>
    (name === "options" &&
      !["null", "true", "NaN", "-1", "0.5", "a bigint", "a string", "a symbol"].includes(what)) ||
    (name.endsWith("Norm") && what === "a proxy that is everything");

  test.each(garbage.filter(([what]) => !(name.endsWith("Norm") && what === "a class")))(
    "%s is readable",
    (what, value) => {
      const args = good.with(position, value);
      assertReadable(() => call(...args), fits(what));
      const request = { ...Object.fromEntries(names.map((key, i) => [key, args[i]])) };
      assertReadable(() => planQkNorm(request as never), fits(what));
      assertReadable(() => explainQkNorm(request as never), fits(what));
    },
  );
});

test.each(garbage)("%s as a whole request is readable", (_, value) => {
  assertReadable(() => planQkNorm(value as never));
  assertReadable(() => explainQkNorm(value as never));
});

test("no argument at all is readable", () => {
  assertReadable(() => call());
});

describe.each(["q", "k"])("%s with a shape", (side) => {
  const position = names.indexOf(side);
  test.each(shapes)("%s is readable", (_, shape) => {
    for (const value of [shape, () => shape]) {
      assertReadable(() => call(...good.with(position, { shape: value, reshape: () => null })));
    }
  });

  test.each(garbage)("whose reshape is %s is readable", (what, reshape) => {
    const tensor = { shape: [3, side === "q" ? 32 : 16], reshape };
    if (typeof reshape === "function") return; // then it is the tensor's own business
    expect(what).toBeTypeOf("string");
    assertReadable(() => call(...good.with(position, tensor)));
  });
});

test("tensors of two devices are refused, by the plan as by the call", () => {
  const [q, k] = [
    Object.assign(flat([3, 32]), { device: "cpu" }),
    Object.assign(flat([3, 16]), { device: "gpu:0" }),
  ];
  const refusal = { code: "ERR_QKNORM_DEVICE", message: "q is on cpu and k is on gpu:0; move one of them" };
  expect(() => call(q, k, norm, norm, 8)).toThrow(expect.objectContaining(refusal));
  const request = { q, k, qNorm: norm, kNorm: norm, headDim: 8 };
  expect(() => planQkNorm(request)).toThrow(expect.objectContaining(refusal));
});

test.each(["auto", "fallback"] as const)(
  "a second stream that is none is refused by the plan, path %s",
  (path) => {
    const [q, k] = [flat([3, 32]), flat([3, 16])];
    for (const altStream of [7, {}, { device: 0 }, "stream"]) {
      const options = { altStream, path } as never;
      expect(() => planQkNorm({ q, k, qNorm: norm, kNorm: norm, headDim: 8, options })).toThrow(
        expect.objectContaining({
          code: "ERR_QKNORM_ARGUMENT",
          message: expect.stringMatching(/^altStream must be a stream/),
        }),
      );
    }
  },
);

test("a negative dimension on both sides is refused as a shape", () => {
  const tensor = (heads: number) => ({ shape: [-3, heads * 8], reshape: () => null });
  expect(() => call(tensor(4), tensor(2), norm, norm, 8)).toThrow(
    expect.objectContaining({ code: "ERR_QKNORM_SHAPE", message: expect.stringContaining("[-3, 32]") }),
  );
});

describe("a spec", () => {
  const fields = ["kind", "axis", "weight", "eps", "weightOffset", "rounding"] as const;
  test.each(fields.flatMap((field) => garbage.map(([what, value]) => [field, what, value] as const)))(
    "whose %s is %s is readable",
    (field, _, value) => {
      const forward = Object.assign((x: FlatTensor) => x, { spec: { ...rms, [field]: value } });
      // Core does not look into weights: they are the provider's. eps may be any number that is not negative.
      const fits = (field === "weight" && value !== undefined) || (field === "eps" && value === 0.5);
      assertReadable(() => call(...good.with(2, forward)), fits);
    },
  );

  test.each(garbage.filter(([, value]) => value !== undefined))("that is %s is readable", (_, spec) => {
    assertReadable(() => call(...good.with(3, { forward: norm, spec })));
  });
});

test.each(garbage)("options with %s inside are readable", (what, value) => {
  const missing = what === "undefined";
  assertReadable(() => call(...good.with(5, { allowInplace: value })), missing || value === true);
  assertReadable(() => call(...good.with(5, { altStream: value })), missing || value === null);
});

test("any mixture of arbitrary values is readable", () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withTypedArray: true,
    withSparseArray: true,
  });
  const odd = fc.oneof(anything, fc.record({ shape: anything, reshape: fc.constant(() => null) }));
  fc.assert(
    fc.property(fc.array(odd, { minLength: 5, maxLength: 6 }), (args) => {
      assertReadable(() => call(...args));
    }),
    { numRuns: 2_000 },
  );
});

test("any value can be put in words", () => {
  for (const [, value] of [...garbage, ...shapes]) expect(inWords(value)).toBeTypeOf("string");
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  expect(inWords(proxy)).toBe("an object that cannot be read");
  expect(inWords("x".repeat(1000)).length).toBeLessThan(60);
  expect([null, 8n, Symbol("s"), [1], () => {}, new Map(), Object.create(null)].map(inWords)).toEqual([
    "null",
    "8",
    "Symbol(s)",
    "an array of 1",
    "a function",
    "an object of Map",
    "an object",
  ]);
});
