import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadNativeKernels } from "../src/backends/cpu/native/kernels.ts";
import {
  type Activation,
  type FloatDtype,
  Indices,
  type KernelChoice,
  moe,
  type RouterSpec,
  route,
  Tensor,
  useKernels,
} from "../src/index.ts";
import { composedMoe } from "../src/ops/composed-moe.ts";
import { Distance } from "./distance.ts";
import { failure } from "./errors.ts";
import { between, gapped, naiveMoe, naiveRoute } from "./naive-ops.ts";
import { dtypes, roundings, seeds } from "./random-tensors.ts";
import { normal } from "./random-values.ts";

const { reason } = loadNativeKernels();
const choices: KernelChoice[] = reason === null ? ["typescript", "native"] : ["typescript"];
const runs = { numRuns: 50 };
// A share of equal values says something of many: 50 cases were once 135 values of 16 bits, two of them an ulp away.
const runsForShare = { numRuns: 250 };
/** Mostly small; some do not fit into one block of 64 columns. */
const extent = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1, max: 20 }) },
  fc.integer({ min: 60, max: 70 }),
);

const ACT: Readonly<Record<string, (x: number) => number>> = {
  silu: (x) => x / (1 + Math.exp(-x)),
  "gelu-tanh": (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  relu2: (x) => Math.max(x, 0) ** 2,
  tanh: Math.tanh,
};

/** Sizes, dtypes and switches of one call. */
const cases = fc
  .record({
    dtype: dtypes,
    weightDtype: dtypes,
    wideWeights: fc.boolean(),
    rounding: roundings,
    weighs: fc.constantFrom<"input" | "output">("input", "output"),
    activation: fc.constantFrom<Activation>("silu", "silu", "gelu-tanh", "relu2", "tanh"),
    fused: fc.boolean(),
    gap: fc.boolean(),
    seed: seeds,
    tokens: fc.integer({ min: 1, max: 6 }),
    experts: fc.integer({ min: 1, max: 5 }),
    width: extent,
    inner: extent,
    topK: fc.integer({ min: 1, max: 3 }),
  })
  .filter(({ topK, experts }) => topK <= experts);

type Case = typeof cases extends fc.Arbitrary<infer T> ? T : never;

function made({ dtype, weightDtype, wideWeights, fused, gap, seed, ...sizes }: Case) {
  const { tokens, experts, width, inner, topK } = sizes;
  const lay = (shape: readonly number[], of: FloatDtype, at: number, scale = 1) => {
    const values = normal(
      seed + at,
      shape.reduce((a, b) => a * b, 1),
      scale,
    );
    return gap ? gapped(values, shape, of) : Tensor.from(values, shape, of);
  };
  const x = lay([tokens, width], dtype, 1);
  const gateUp = lay([experts, 2 * inner, width], weightDtype, 2, width ** -0.5);
  const [gate, up] = gateUp.split(1, [inner, inner]) as [Tensor, Tensor];
  const down = lay([experts, width, inner], weightDtype, 3, inner ** -0.5);
  const ids = normal(seed + 4, tokens * topK).map((v) => Math.floor(Math.abs(v * 100)) % experts);
  const weights = Tensor.from(normal(seed + 5, tokens * topK), [tokens, topK], wideWeights ? "f32" : dtype);
  const values = weights.toNumbers();
  return {
    x,
    weights: fused ? { gateUp, down } : { gate: gate.clone(), up: up.clone(), down },
    parts: { gate, up, down },
    routing: { experts: Indices.from(ids), weights },
    pairs: Array.from({ length: tokens }, (_, t) =>
      Array.from({ length: topK }, (_, k) => [ids[t * topK + k]!, values[t * topK + k]!] as const),
    ),
  };
}

function expected(
  { dtype, rounding, weighs, activation, width, inner }: Case,
  call: ReturnType<typeof made>,
) {
  const round = between(dtype, rounding);
  const roundWeighed = call.routing.weights.dtype === dtype ? round : (value: number) => value;
  const of = (change: (value: number) => number, act: (value: number) => number) => {
    const numbers = (x: Tensor) => x.toNumbers().map(change);
    const parts = {
      gate: numbers(call.parts.gate),
      up: numbers(call.parts.up),
      down: numbers(call.parts.down),
    };
    const pairs = call.pairs.map((choices) => choices.map(([id, weight]) => [id, change(weight)] as const));
    const sizes = { width, inner };
    return naiveMoe(numbers(call.x), parts, pairs, sizes, act, weighs, round, roundWeighed);
  };
  // What a sum's terms amount to, however they cancel, and what becomes of it in the steepest activation, x^2.
  const magnitudes = of(Math.abs, (x) => 2 * x * (1 + x));
  return { exact: of((value) => value, ACT[activation] as (x: number) => number), magnitudes };
}

describe.each(choices)("with %s kernels", (kernels) => {
  let former: KernelChoice = "auto";
  beforeEach(() => {
    former = useKernels(kernels);
  });
  afterEach(() => {
    useKernels(former);
  });

  test.each([
    ["moe", moe],
    [
      "moe composed of other ops",
      (...[x, { down, ...rest }, routing, { weighs = "output", ...options }]: Parameters<typeof moe>) => {
        const { gateUp, gate, up } = rest as Record<string, Tensor>;
        const half = (gateUp?.dim(1) ?? 0) / 2;
        const [first, second] = gateUp?.split(1, [half, half]) ?? [gate, up];
        const parts = { gate: first as Tensor, up: second as Tensor, down };
        return composedMoe(x, parts, routing, { ...options, weighs });
      },
    ],
  ] as const)("%s is each token through its experts, weighed and summed", (_, op) => {
    const distance = new Distance();
    fc.assert(
      fc.property(cases, (drawn) => {
        const call = made(drawn);
        const { activation, weighs, rounding, dtype } = drawn;
        const out = op(call.x, call.weights, call.routing, { activation, weighs, rounding });
        expect([out.shape, out.dtype]).toEqual([call.x.shape, dtype]);
        const { exact, magnitudes } = expected(drawn, call);
        // An inner value that falls on the other side of a rounding moves the sum by as much.
        const step = rounding === "hf" ? { f32: 2e-6, bf16: 2 ** -7, f16: 2 ** -10 }[dtype] : 2e-6;
        distance.add(out, exact, { relative: step, magnitudes });
      }),
      runsForShare,
    );
    distance.check();
  });

  test("a token's result does not depend on its company, bit for bit", () => {
    fc.assert(
      fc.property(cases, (drawn) => {
        const call = made({ ...drawn, tokens: 6 });
        const { activation, weighs, rounding } = drawn;
        const options = { activation, weighs, rounding };
        const all = moe(call.x, call.weights, call.routing, options);
        const k = drawn.topK;
        const one = moe(
          call.x.slice(0, 3, 4),
          call.weights,
          {
            experts: Indices.from(call.routing.experts.values!.slice(3 * k, 4 * k)),
            weights: call.routing.weights.slice(0, 3, 4),
          },
          options,
        );
        expect(one.toNumbers()).toEqual(all.slice(0, 3, 4).toNumbers());
      }),
      { numRuns: 30 },
    );
  });

  test("experts that nobody chose are not read", () => {
    const nan = Number.NaN;
    const gateUp = Tensor.from([1, 2, nan, nan, 3, 4], [3, 2, 1]);
    const down = Tensor.from([1, nan, 2], [3, 1, 1]);
    const routing = { experts: Indices.from([2, 0]), weights: Tensor.from([1, 1], [1, 2]) };
    const out = moe(Tensor.from([1], [1, 1]), { gateUp, down }, routing, {
      activation: "relu",
      rounding: "once",
    });
    expect(out.toNumbers()).toEqual(Float64Array.of(1 * 2 + 2 * 3 * 4));
  });

  const blocked = test.skipIf(kernels !== "native");
  blocked("more tokens than one block of working memory holds give what they give one by one", () => {
    const [tokens, width, k] = [140, 1024, 128];
    const x = Tensor.from(normal(1, tokens * width), [tokens, width]);
    const gateUp = Tensor.from(normal(2, 2 * 2 * 3 * width, 0.03), [2, 6, width]);
    const down = Tensor.from(normal(3, 2 * width * 3), [2, width, 3]);
    const ids = Array.from({ length: tokens * k }, (_, i) => i % 2);
    const weights = Tensor.from(normal(4, tokens * k), [tokens, k]);
    const options = { activation: "silu", rounding: "once" } as const;
    const all = moe(x, { gateUp, down }, { experts: Indices.from(ids), weights }, options);
    for (const token of [0, 127, 128, 139]) {
      const routing = {
        experts: Indices.from(ids.slice(0, k)),
        weights: weights.slice(0, token, token + 1),
      };
      const one = moe(x.slice(0, token, token + 1), { gateUp, down }, routing, options);
      expect(one.toNumbers()).toEqual(all.slice(0, token, token + 1).toNumbers());
    }
  });

  test("route chooses the k best, limited to the best groups, with the weights of the formula", () => {
    const specs = fc.record({
      score: fc.constantFrom<RouterSpec["score"]>("softmax", "sigmoid"),
      topK: fc.integer({ min: 1, max: 4 }),
      groups: fc.constantFrom(null, { count: 2, kept: 1 }, { count: 3, kept: 2 }, { count: 6, kept: 4 }),
      normalize: fc.constantFrom(null, { eps: 0 }, { eps: 1e-20 }, { eps: 0.5 }),
      factor: fc.constantFrom(1, 2.5),
    });
    fc.assert(
      fc.property(specs, dtypes, fc.boolean(), fc.boolean(), seeds, (spec, dtype, biased, gap, seed) => {
        const values = normal(seed, 5 * 12, 2);
        const logits = gap ? gapped(values, [5, 12], dtype) : Tensor.from(values, [5, 12], dtype);
        const bias = biased ? Tensor.from(normal(seed + 1, 12, 0.3), [12]) : null;
        const { experts, weights } = route(logits, bias, spec, "f32");
        const exact = naiveRoute(logits.toNumbers(), bias?.toNumbers() ?? null, 12, spec);
        expect([...experts.values!]).toEqual(exact.flatMap((pairs) => pairs.map(([expert]) => expert)));
        new Distance().add(
          weights,
          exact.flatMap((pairs) => pairs.map(([, weight]) => weight)),
          { relative: 1e-6 },
        );
        const rounded = route(logits, bias, spec, "bf16").weights;
        expect(rounded.toNumbers()).toEqual(Tensor.from(weights.data, weights.shape, "bf16").toNumbers());
      }),
      runs,
    );
  });

  test("of equal scores the first experts are chosen, and a logit that is no number chooses experts that are there", () => {
    const spec: RouterSpec = { score: "softmax", topK: 2, groups: null, normalize: null, factor: 1 };
    expect([...route(Tensor.from([1, 3, 3, 3], [1, 4]), null, spec, "f32").experts.values!]).toEqual([1, 2]);
    const odd = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN];
    for (const score of ["softmax", "sigmoid"] as const) {
      const { experts } = route(Tensor.from(odd, [1, 4]), Tensor.zeros([4]), { ...spec, score }, "f32");
      for (const expert of experts.values!) expect(expert).toBeLessThan(4);
    }
  });
});

describe("bad input is refused by a typed error", () => {
  const x = Tensor.zeros([2, 3]);
  const good = { gateUp: Tensor.zeros([4, 10, 3]), down: Tensor.zeros([4, 3, 5]) };
  const routing = { experts: Indices.from([0, 3]), weights: Tensor.zeros([2, 1]) };
  const options = { activation: "silu", rounding: "hf" } as const;
  const router: RouterSpec = { score: "softmax", topK: 2, groups: null, normalize: null, factor: 1 };
  const any = (value: unknown) => value as never;

  test.each([
    [
      "an expert that is not there",
      { ...routing, experts: Indices.from([0, 4]) },
      /expert 4 is outside 0\.\.3/,
    ],
    ["experts that are a plain array", { ...routing, experts: [0, 1] }, /must be Indices/],
    ["a routing that is nothing", null, /weights must be a Tensor/],
  ])("moe: %s", (_, wrong, message) => {
    expect(failure("ERR_QKNORM_ARGUMENT", () => moe(x, good, any(wrong), options))).toMatch(message);
  });

  test("moe: shapes, dtypes and options that do not fit", () => {
    const shape = (...args: unknown[]) =>
      failure("ERR_QKNORM_SHAPE", () => moe(...(args as Parameters<typeof moe>)));
    shape(Tensor.zeros([3]), good, routing, options);
    shape(x, { ...good, gateUp: Tensor.zeros([4, 9, 3]) }, routing, options);
    shape(x, { ...good, down: Tensor.zeros([4, 5, 3]) }, routing, options);
    shape(
      x,
      { gate: Tensor.zeros([4, 5, 3]), up: Tensor.zeros([3, 5, 3]), down: good.down },
      routing,
      options,
    );
    shape(x, good, { ...routing, weights: Tensor.zeros([1, 2]) }, options);
    shape(x, good, { ...routing, experts: Indices.from([0]) }, options);
    const half = { ...routing, weights: Tensor.zeros([2, 1], "bf16") };
    failure("ERR_QKNORM_DTYPE", () => moe(x, good, half, options));
    failure("ERR_QKNORM_ARGUMENT", () => moe(x, good, routing, { ...options, activation: any("swish") }));
    failure("ERR_QKNORM_ARGUMENT", () => moe(x, good, routing, { ...options, weighs: any("both") }));
    failure("ERR_QKNORM_ARGUMENT", () => moe(x, good, routing, any(null)));
    failure("ERR_QKNORM_ARGUMENT", () => moe(x, any(null), routing, options));
  });

  test("route: a k above E, groups that do not divide E, and what is no number", () => {
    const logits = Tensor.zeros([1, 6]);
    const refused = (change: object) =>
      failure("ERR_QKNORM_ARGUMENT", () => route(logits, null, { ...router, ...change }, "f32"));
    expect(refused({ topK: 7 })).toMatch(/topK from 1 to the 6 experts, got 7/);
    refused({ topK: 0 });
    refused({ topK: 1.5 });
    refused({ score: "tanh" });
    refused({ factor: Number.NaN });
    refused({ normalize: {} });
    refused({ groups: { count: 4, kept: 1 } });
    refused({ groups: { count: 6, kept: 6 } });
    refused({ groups: { count: 2, kept: 3 } });
    refused({ groups: { count: 3, kept: 1 }, topK: 3 });
    failure("ERR_QKNORM_ARGUMENT", () => route(logits, null, any(undefined), "f32"));
    failure("ERR_QKNORM_SHAPE", () => route(logits, Tensor.zeros([5]), router, "f32"));
    failure("ERR_QKNORM_DTYPE", () => route(logits, null, router, any("i32")));
  });
});
