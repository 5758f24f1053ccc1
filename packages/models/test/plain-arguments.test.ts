// Arguments that no type would let through, as plain JavaScript passes them, in each place of what makes layers and configs.
import { readFileSync } from "node:fs";
import { Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { type Loose, outcome, spoilt } from "../../tensor/test/strange-arguments.ts";
import {
  Attention,
  Embedding,
  fillShard,
  GatedMlp,
  KvCache,
  Linear,
  Norm,
  type NormSetting,
  nextStep,
  PackedLinear,
  PagedKvCache,
  PlainMlp,
  parseQwen3Config,
  Qwen3Attention,
  Qwen3ForCausalLm,
  RmsNorm,
  RotaryEmbedding,
  RotaryTables,
  rankConfig,
} from "../src/index.ts";

const raw = JSON.parse(
  readFileSync(new URL("../golden/tiny-untied/config.json", import.meta.url), "utf8"),
) as object;
const config = parseQwen3Config(raw as never);
const options = { weightDtype: "f32", rounding: "hf" } as const;
const norm: NormSetting = {
  ...({ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" } as const),
  ...{ shape: [4], bias: false },
};
const sizes = { hiddenSize: 8, queryHeads: 2, kvHeads: 1, headDim: 4 };
const qkNorm = { q: norm, k: norm, order: "norm-rope" } as const;
const mlp = { hiddenSize: 4, intermediateSize: 4, activation: "silu" } as const;
const heads = { kvHeads: 1, headDim: 4 };
const paged = { layers: [heads], dtype: "f32", maxPositions: 64, pages: 2, pageSize: 4 } as const;
const layer = () => new RmsNorm(4, 1e-6, options);

const made =
  (Kind: unknown): Loose =>
  (...args) =>
    new (Kind as new (...given: unknown[]) => unknown)(...args);

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  Linear: [made(Linear), 4, 2, options],
  Embedding: [made(Embedding), 4, 2, { ...options, dtype: "f32" }],
  Norm: [made(Norm), norm, options],
  RmsNorm: [made(RmsNorm), 4, 1e-6, options],
  PackedLinear: [made(PackedLinear), 4, { a: 2, b: 2 }, options],
  GatedMlp: [made(GatedMlp), mlp, options, { gate: "g", up: "u", down: "d" }],
  PlainMlp: [made(PlainMlp), mlp, { up: "u", down: "d" }, options],
  KvCache: [made(KvCache), { layers: 1, dtype: "f32", maxPositions: 64 }],
  "KvCache.reserve": [
    (tokens) => new KvCache({ layers: 1, dtype: "f32", maxPositions: 64 }).reserve(tokens as number),
    3,
  ],
  PagedKvCache: [made(PagedKvCache), paged],
  "PagedKvCache.reserve": [
    (tokens) => {
      const cache = new PagedKvCache(paged);
      cache.reserve(cache.join(), tokens as number);
    },
    3,
  ],
  RotaryEmbedding: [made(RotaryEmbedding), config.rope, options],
  RotaryTables: [(given, rope) => new RotaryTables(given as never).of(rope as never), options, config.rope],
  Attention: [made(Attention), { ...sizes, qkNorm, rope: config.rope }, options],
  Qwen3Attention: [made(Qwen3Attention), config, options],
  Qwen3ForCausalLm: [made(Qwen3ForCausalLm), config, { ...options, dtype: "f32" }],
  parseQwen3Config: [parseQwen3Config as Loose, raw, () => {}],
  rankConfig: [rankConfig as Loose, config, 1],
  fillShard: [fillShard as Loose, layer(), layer(), { rank: 0, of: 1 }],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  it("takes its arguments, and answers any other kind of value by an error with a code, if it does not take it", () => {
    expect(outcome(call, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_[A-Z_]+)$/.test(String(end)))).toEqual([]);
  });

  it("takes nothing in the place of its first argument", () => {
    for (const nothing of [undefined, null, Number.NaN, "x", []]) {
      expect(outcome(call, [nothing, ...args.slice(1)])).toMatch(/^ERR_/);
    }
  });
});

it.each<[() => unknown, string]>([
  [() => new Linear(4, 2, {} as never), 'weightDtype must be "f32", "bf16" or "f16", got undefined'],
  [() => new Linear(Number.NaN, 2, options), "inputs must be an integer from 0, got NaN"],
  [() => new KvCache({} as never), "layers must be an integer from 0, got undefined"],
  [
    () => new Attention({ ...sizes, rope: null } as never, options),
    "qkNorm must be an object or null, got undefined",
  ],
  [
    () => new Attention({ ...sizes, kvHeads: 3, qkNorm: null, rope: null }, options),
    "queryHeads must be a multiple of kvHeads (3), got 2",
  ],
  [() => parseQwen3Config(null as never), "config.json must be an object, got null"],
  [() => rankConfig(config, 0), "ranks must be an integer from 1, got 0"],
  [() => fillShard(layer(), layer(), { rank: 2, of: 2 }), "of must be an integer from 3, got 2"],
  [
    () => fillShard(layer(), new Linear(4, 2, { ...options, bias: true }), { rank: 0, of: 1 }),
    "weight has shape [4], and its share of the whole [2, 4]",
  ],
])("%o is refused: %s", (call, message) => {
  expect(call).toThrow(message);
});

it("fillShard writes nothing where one parameter of several does not fit", () => {
  const part = new GatedMlp(mlp, options);
  const whole = new GatedMlp(mlp, options);
  for (const [, parameter] of whole.parameters())
    parameter.copyFrom(Tensor.from(new Float32Array(parameter.size).fill(1), parameter.shape));
  const other = new Linear(4, 8, options);
  Object.defineProperty(whole, "downProj", { value: other, enumerable: true });
  expect(() => fillShard(part, whole, { rank: 0, of: 1 })).toThrow(/^downProj\.weight has shape \[4, 4\]/);
  for (const [, parameter] of part.parameters()) expect(Math.max(...parameter.toNumbers())).toBe(0);
});

it("a model, in one pass or in pieces, and a layer alone refuse what is no step", () => {
  const model = new Qwen3ForCausalLm(config, { ...options, dtype: "f32" });
  const attention = new Attention({ ...sizes, qkNorm, rope: config.rope }, options);
  const step = nextStep([1], model.newCache());
  const broken = [{}, { ...step, cache: null }, { ...step, cache: {} }, { ...step, positions: [0] }];
  for (const value of [undefined, null, 0, "x", ...broken] as never[]) {
    for (const call of [
      () => model.forward(value),
      () => model.hidden(value),
      () => model.forwardInPieces(value).next(),
      () => attention.forward(Tensor.zeros([1, 8]), value),
    ]) {
      expect(call).toThrow(/^a step must be one that `nextStep` or a cache's `step` made, got /);
    }
  }
  expect(model.forward(step).shape).toEqual([1, model.vocabSize]);
});
