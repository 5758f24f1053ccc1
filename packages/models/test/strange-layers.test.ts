// What layers, steps, caches and models are called with once they are made, with values that no type would let through.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Indices, Tensor } from "@qknorm/tensor";
import { describe, expect, it } from "vitest";
import { type Loose, outcome, spoilt } from "../../tensor/test/strange-arguments.ts";
import {
  argmax,
  createSampler,
  Embedding,
  ForwardTrace,
  GatedMlp,
  generateNow,
  KvCache,
  Linear,
  loadModel,
  loadModule,
  Norm,
  type NormSetting,
  nextStep,
  PackedLinear,
  PagedKvCache,
  PlainMlp,
  parseQwen3Config,
  Qwen3Attention,
  Qwen3ForCausalLm,
  RotaryEmbedding,
  RotaryTables,
  readGenerationConfig,
} from "../src/index.ts";

const folder = fileURLToPath(new URL("../golden/tiny-untied", import.meta.url));
const config = parseQwen3Config(JSON.parse(readFileSync(`${folder}/config.json`, "utf8")));
const options = { weightDtype: "f32", rounding: "hf" } as const;
const model = new Qwen3ForCausalLm(config, { ...options, dtype: "f32" });
const attention = new Qwen3Attention(config, options);
const rotary = new RotaryEmbedding(config.rope, options);
const tables = new RotaryTables(options);
tables.of(config.rope);
const width = config.hiddenSize;
const [heads, sizes] = [
  { kvHeads: config.kvHeads, headDim: config.headDim },
  { hiddenSize: 4, intermediateSize: 4, activation: "silu" } as const,
];
const f32 = (...shape: number[]) => Tensor.zeros(shape, "f32");
const normOf = (length: number): NormSetting => ({
  ...({ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" } as const),
  ...{ shape: [length], bias: false },
});
const norm = new Norm(normOf(4), options);
const wide = new Norm(normOf(width), options);
const span = { scale: 1, window: 0, mask: "causal", chunk: 0, softCap: 0, rounding: "once" } as const;
const kv = f32(2, heads.kvHeads, heads.headDim);
const q = f32(2, config.queryHeads, heads.headDim);

const newCache = () => new KvCache({ layers: 1, dtype: "f32", maxPositions: 64 });
const newPages = () =>
  new PagedKvCache({ layers: [heads], dtype: "f32", maxPositions: 64, pages: 4, pageSize: 4 });

const method =
  (of: object, name: string): Loose =>
  (...args) =>
    (of as Record<string, Loose>)[name]?.call(of, ...args);

/** A call of a cache of its own, for whose step, or sequence, a text stands among the arguments. */
const ofCache =
  (name: string): Loose =>
  (...args) => {
    const cache = newCache();
    const step = nextStep([1, 2], cache);
    cache.of(0, heads);
    return method(cache, name)(...args.map((arg) => (arg === "the step" ? step : arg)));
  };
const ofPages =
  (name: string): Loose =>
  (...args) => {
    const cache = newPages();
    const sequence = cache.join();
    const own = new Map<unknown, unknown>([["the sequence", sequence]]);
    if (args.includes("the step")) own.set("the step", cache.step([{ sequence, ids: [1, 2] }]));
    return method(cache, name)(...args.map((arg) => own.get(arg) ?? arg));
  };
/** A call with a step of which some fields are others. */
const withFields =
  (call: (step: never) => unknown): Loose =>
  (fields) =>
    call({ ...nextStep([1, 2], model.newCache()), ...(fields as object) } as never);
const fields = {
  ...{ ids: Indices.from([1, 2]), positions: Indices.from([0, 1]), slots: Indices.from([0, 1]) },
  ...{ past: Indices.from([0]), trace: null, mask: "none" },
};
/** A pass of a batch whose sequences, or some fields of which, are others. */
const withBatch =
  (merge: (batch: object, given: never) => unknown): Loose =>
  (given) => {
    const cache = model.newPagedCache({ pages: 2 });
    const step = cache.step([{ sequence: cache.join(), ids: [1, 2] }]);
    return model.forward({ ...step, batch: merge(step.batch as object, given as never) as never });
  };
const batch = {
  ...{ queryStarts: Indices.from([0, 2]), lengths: Indices.from([2]), pages: Indices.from([0]) },
  ...{ mostQueries: 2, lastRows: Indices.from([1]) },
};
const stepOf = () => nextStep([1, 2], newCache());
const withStep =
  (call: (x: never, norm: never, step: never) => unknown): Loose =>
  (...args) =>
    call(...(args.map((arg) => (arg === "the step" ? stepOf() : arg)) as [never, never, never]));

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  "Linear.forward": [
    method(new Linear(4, 2, options), "forward"),
    ...[f32(1, 4), { norm, swiglu: null, residual: f32(1, 2) }],
  ],
  "PackedLinear.forward": [method(new PackedLinear(4, { a: 2 }, options), "forward"), f32(1, 4), {}],
  "PackedLinear.parameters": [
    (prefix) => [...new PackedLinear(4, { a: 2 }, options).parameters(prefix as string)],
    "",
  ],
  "Embedding.forward": [
    method(new Embedding(4, 2, { ...options, dtype: "f32" }), "forward"),
    Indices.from([1]),
  ],
  "Norm.forward": [method(norm, "forward"), f32(1, 4)],
  "Norm.ofSum": [method(norm, "ofSum"), f32(1, 4), f32(1, 4)],
  "GatedMlp.forward": [method(new GatedMlp(sizes, options), "forward"), f32(1, 4)],
  "GatedMlp.residual": [method(new GatedMlp(sizes, options), "residual"), f32(1, 4), norm],
  "PlainMlp.residual": [
    method(new PlainMlp(sizes, { up: "up", down: "down" }, options), "residual"),
    ...[f32(1, 4), norm],
  ],
  "RotaryEmbedding.apply": [method(rotary, "apply"), kv, Indices.from([0, 1])],
  "RotaryEmbedding.tables": [method(rotary, "tables"), Indices.from([0, 1]), "f32"],
  "RotaryEmbedding.keepsAngles": [method(rotary, "keepsAngles"), 1, 2],
  "RotaryTables.keepsAngles": [method(tables, "keepsAngles"), 1, 2],
  "Attention.forward": [withStep((x, step) => attention.forward(x, step)), f32(2, width), "the step"],
  "Attention.residual": [
    withStep((x, before, step) => attention.residual(x, before, step)),
    ...[f32(2, width), wide, "the step"],
  ],
  "Attention.forward of a step": [withFields((step) => attention.forward(f32(2, width), step)), fields],
  "Attention.forward with a trace": [
    (trace) => attention.forward(f32(2, width), { ...stepOf(), trace: trace as never }),
    new ForwardTrace(),
  ],
  "model.forward": [withFields((step) => model.forward(step)), fields],
  "model.hidden": [withFields((step) => model.hidden(step)), fields],
  "model.forwardInPieces": [withFields((step) => [...model.forwardInPieces(step)]), fields],
  "model.forward of a batch": [withBatch((made, given: object) => ({ ...made, ...given })), batch],
  "model.forward of other sequences": [withBatch((_, given) => given), batch],
  "model.keepsAngles": [method(model, "keepsAngles"), 1, 2],
  "model.newPagedCache by pages": [method(model, "newPagedCache"), { pages: 2, pageSize: 4 }],
  "model.newPagedCache by bytes": [method(model, "newPagedCache"), { bytes: 1e5, pageSize: 4 }],
  "model.parameters": [(prefix) => [...model.parameters(prefix as string)], ""],
  "KvCache.of": [ofCache("of"), 0, heads],
  "KvCache.write": [ofCache("write"), 0, kv, kv, "the step"],
  "KvCache.attend": [ofCache("attend"), 0, q, "the step", span],
  "KvCache.carried": [
    ofCache("carried"),
    ...[{ layer: 0, name: "conv", shape: [2], dtype: "f32" }, "the step"],
  ],
  "KvCache.advance": [ofCache("advance"), "the step"],
  "KvCache.holds": [ofCache("holds"), 3],
  "KvCache.assertRoom": [ofCache("assertRoom"), 3],
  "PagedKvCache.leave": [ofPages("leave"), "the sequence"],
  "PagedKvCache.reserve": [ofPages("reserve"), "the sequence", 3],
  "PagedKvCache.step": [
    (sequence, ids) => {
      const cache = newPages();
      return cache.step([{ sequence: sequence === "its own" ? cache.join() : sequence, ids } as never]);
    },
    ...["its own", [1, 2]],
  ],
  "PagedKvCache.of": [ofPages("of"), 0],
  "PagedKvCache.write": [ofPages("write"), 0, kv, kv, "the step"],
  "PagedKvCache.attend": [ofPages("attend"), 0, q, "the step", span],
  "PagedKvCache.advance": [ofPages("advance"), "the step"],
  nextStep: [nextStep as Loose, [1, 2], model.newCache(), new ForwardTrace()],
  loadModule: [loadModule as Loose, attention, folder, "model.layers.0.self_attn."],
  readGenerationConfig: [readGenerationConfig as Loose, folder, {}],
  loadModel: [
    (dir, asked) => loadModel(dir as string, asked as object).model.dispose(),
    ...[
      folder,
      {
        device: "cpu",
        dtype: "f32",
        cacheDtype: "f32",
        rounding: "hf",
        qkNorm: {},
        chain: "auto",
        blockLength: 1,
      },
    ],
  ],
  "loadModel's onProgress": [(onProgress) => loadModel(folder, { onProgress } as object), () => {}],
  argmax: [argmax as Loose, Float32Array.of(1, 2)],
  "a sampler": [
    (logits, seen) =>
      createSampler({ temperature: 1, seed: 3, repetitionPenalty: 2 })(logits as never, seen as never),
    ...[Float32Array.of(1, 2), [1]],
  ],
  generateNow: [
    (...args) => generateNow(...(args as Parameters<typeof generateNow>)).next(),
    ...[model, [1, 2], { maxTokens: 2, stopIds: [3], onTrace: () => {} }],
  ],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  it("answers any kind of value by an error with a code, or takes it", () => {
    expect(outcome(call, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_[A-Z_]+)$/.test(String(end)))).toEqual([]);
  });
});

describe("a rotary embedding and positions that are far out", () => {
  const far = Indices.from([2 ** 31 - 1]);
  const refusal = (message: RegExp) =>
    expect.objectContaining({ code: "ERR_QKNORM_SHAPE", message: expect.stringMatching(message) });

  it("are refused beyond the model's context, and taken up to it", () => {
    const known = new RotaryEmbedding({ ...config.rope, maxPositions: 70 }, options);
    const message = /^position 2147483647 is beyond the model's context of 70$/;
    expect(() => known.tables(far, "f32")).toThrow(refusal(message));
    expect(() => known.apply(kv, Indices.from([0, 2 ** 31 - 1]))).toThrow(refusal(message));
    expect(() => known.tables(Indices.from([70]), "f32")).toThrow(refusal(/^position 70 is beyond/));
    expect(known.tables(Indices.from([69]), "f32")?.cos.dim(0)).toBe(70);
  });

  it("are refused where no memory holds the angles of a context that long", () => {
    const spec = { ...config.rope, rotaryDim: 128, maxPositions: 2 ** 31 };
    const wide = new RotaryEmbedding(spec, options);
    const message = /^there is no memory for a table/;
    expect(() => wide.tables(far, "f32")).toThrow(refusal(message));
    expect(() => wide.apply(f32(1, 1, 128), far)).toThrow(refusal(message));
  });
});
