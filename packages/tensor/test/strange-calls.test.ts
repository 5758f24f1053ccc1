// The calls of core on tensors, and what core has beside them, with values that no type would let through in each place.
import * as core from "@qknorm/core";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Indices, Tensor } from "../src/index.ts";
import { type Loose, outcome, spoilt } from "./strange-arguments.ts";

const f32 = (...shape: number[]) => Tensor.zeros(shape, "f32");
const spec = {
  ...({ kind: "rms", axis: "head", eps: 1e-6, weightOffset: 0, rounding: "once" } as const),
  ...{ weight: f32(8), bias: null },
};
const norm = { spec, forward: (x: Tensor) => x };
const [q, k, v, positions] = [f32(2, 2, 8), f32(2, 1, 8), f32(2, 1, 8), Indices.from([0, 1])];
const rope = { cos: f32(4, 4), sin: f32(4, 4), layout: "halves", rounding: "once" } as const;
const cache = { k: f32(4, 1, 8), v: f32(4, 1, 8), slots: positions };
const asked = { headDim: 8, positions, v, order: "norm-rope", rope, cache, path: "auto" } as const;
const options = { allowInplace: true, path: "auto" } as const;
const whole = { q, k, qNorm: norm, kNorm: norm };
const stream = { device: 0, waitFor: () => {} };
const provider = { name: "strange", claims: () => false, prepare: () => [], warmUp: async () => {} };
const rows = {
  x: Float64Array.of(1, 2),
  heads: 1,
  headDim: 2,
  spec: { ...spec, weight: [1, 1] },
  dtype: "f64",
};

const chained = (change: object) => core.applyQkNormRope(q, k, norm, norm, { ...asked, ...change } as never);

const calls: Record<string, readonly [Loose, ...unknown[]]> = {
  applyQkNorm: [core.applyQkNorm as Loose, q, k, norm, norm, 8, options],
  planQkNorm: [core.planQkNorm as Loose, { ...whole, headDim: 8, options }],
  explainQkNorm: [core.explainQkNorm as Loose, { ...whole, headDim: 8, options }],
  applyQkNormRope: [core.applyQkNormRope as Loose, q, k, norm, norm, asked],
  planQkNormRope: [core.planQkNormRope as Loose, { ...whole, options: asked }],
  explainQkNormRope: [core.explainQkNormRope as Loose, { ...whole, options: asked }],
  "the spec of a norm": [
    (given) => core.applyQkNorm(q, k, { ...norm, spec: given as never }, norm, 8, options),
    spec,
  ],
  "the angles of a chain": [(given) => chained({ rope: given }), rope],
  "the cache of a chain": [(given) => chained({ cache: given }), cache],
  assertNormSpec: [core.assertNormSpec as Loose, spec, "q"],
  copyNormSpec: [core.copyNormSpec as Loose, spec],
  sameNormSpec: [core.sameNormSpec as Loose, spec, { ...spec }],
  sameRopeSpec: [core.sameRopeSpec as Loose, rope, { ...rope }],
  sameCacheMemory: [core.sameCacheMemory as Loose, cache, { ...cache }],
  referenceNorm: [core.referenceNorm as Loose, rows],
  formatShape: [core.formatShape as Loose, [1, 2]],
  roundTo: [core.roundTo as Loose, "bf16", 1],
  encodeBf16: [core.encodeBf16 as Loose, 1],
  encodeF16: [core.encodeF16 as Loose, 1],
  encodeE4m3: [core.encodeE4m3 as Loose, 1],
  decodeBf16: [core.decodeBf16 as Loose, 1],
  decodeF16: [core.decodeF16 as Loose, 1],
  decodeE4m3: [core.decodeE4m3 as Loose, 1],
  scaleE4m3: [core.scaleE4m3 as Loose, 1],
  currentStream: [core.currentStream as Loose, 0],
  withStream: [core.withStream as Loose, stream, () => 1],
  capture: [core.capture as Loose, () => 1],
  setQkNormLogger: [core.setQkNormLogger as Loose, () => {}],
  isQkNormError: [core.isQkNormError as Loose, new Error("other")],
  registerFusedQkNorm: [(given) => core.registerFusedQkNorm(given as never)(), provider],
};

describe.each(Object.entries(calls))("%s", (_, [call, ...args]) => {
  let logger: ReturnType<typeof core.setQkNormLogger>;
  beforeEach(() => {
    logger = core.setQkNormLogger(() => {});
  });
  afterEach(() => {
    core.setQkNormLogger(logger);
  });

  test("answers any kind of value by an error with a code, or takes it", () => {
    expect(outcome(call, args)).toBe("taken");
    const others = [...spoilt(args)].map(([place, list]) => [place, outcome(call, list)] as const);
    expect(others.filter(([, end]) => !/^(taken|its own|ERR_[A-Z_]+)$/.test(String(end)))).toEqual([]);
  });
});

test("a warm-up rejects any kind of request by an error with a code", async () => {
  for (const [warmUp, request] of [
    [core.warmUpQkNorm, { ...whole, headDim: 8, options }],
    [core.warmUpQkNormRope, { ...whole, options: asked }],
  ] as const) {
    for (const [place, [given]] of spoilt([request])) {
      const end = await (warmUp as (value: unknown) => Promise<unknown>)(given).then(
        () => "taken",
        (error: unknown) => outcome(() => throwIt(error), []),
      );
      expect([place, end]).toEqual([place, expect.stringMatching(/^(taken|its own|ERR_[A-Z_]+)$/)]);
    }
  }
});

function throwIt(error: unknown): never {
  throw error;
}
