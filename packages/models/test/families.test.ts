import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { Tensor, useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { listModels, modelFamily } from "../src/families/model-types.ts";
import { Attention } from "../src/layers/attention.ts";
import { nextStep } from "../src/layers/step.ts";
import { ForwardTrace } from "../src/layers/trace.ts";
import { availableKernels } from "./available-kernels.ts";

// What transformers computed in f32 for each family's variants; oracle/families wrote them.
const golden = join(import.meta.dirname, "../golden");

interface Variant {
  readonly family: string;
  readonly name: string;
  readonly dir: string;
  readonly modelType: string;
  /** Layers whose attention was recorded alone. */
  readonly layers: readonly number[];
}

const variants: readonly Variant[] = readdirSync(golden).flatMap((family) =>
  existsSync(join(golden, family, "keys.json"))
    ? readdirSync(join(golden, family))
        .map((name) => join(golden, family, name))
        .filter((dir) => existsSync(join(dir, "golden.json")))
        .flatMap((dir) => {
          const record = JSON.parse(readFileSync(join(dir, "golden.json"), "utf8"));
          if (record.kind !== "causal-lm") return [];
          const { modelType } = readConfig(dir);
          return [
            { family, name: dir.slice(dir.lastIndexOf("/") + 1), dir, modelType, layers: record.layers },
          ];
        })
    : [],
);
const registered = variants.filter(({ modelType }) => listModels().includes(modelType));

beforeAll(() => setQkNormLogger(null));
afterEach(() => {
  useKernels("auto");
});

describe.each(availableKernels())("on %s kernels", (kernels) => {
  describe.each(registered)("$family $name", ({ dir, layers }) => {
    it.each(["auto", "fallback"] as const)("has the logits of transformers, QK norm %s", (path) => {
      useKernels(kernels);
      const { ids, logits } = recorded(dir);
      const { model } = loadModel(dir, { dtype: "f32", qkNorm: { path } });
      const ours = model.forward(nextStep(ids, model.newCache()), "all").toNumbers();
      expect(largestDifference(ours, logits)).toBeLessThanOrEqual(1e-4);
    });

    it("has them token by token through the cache", () => {
      useKernels(kernels);
      const { ids, logits } = recorded(dir);
      const { model } = loadModel(dir, { dtype: "f32" });
      const cache = model.newCache();
      const rows = [...ids].map((id) => model.forward(nextStep([id], cache)).toNumbers());
      expect(
        largestDifference(
          rows.flatMap((row) => [...row]),
          logits,
        ),
      ).toBeLessThanOrEqual(1e-4);
    });

    it.each(["auto", "fallback"] as const)(
      "has its attention alone, with q and k after the norm, %s",
      (path) => {
        useKernels(kernels);
        const { ids, tensors } = recorded(dir);
        const { model } = loadModel(dir, { dtype: "f32", qkNorm: { path } });
        for (const layer of layers) {
          const attention = attentionOf(model, layer);
          const hidden = tensors(`${layer}.hidden`);
          if (attention === null || hidden === null) continue;
          const trace = new NormedTrace();
          const x = Tensor.from(hidden, [ids.length, hidden.length / ids.length]);
          const out = attention.forward(x, nextStep(ids, model.newCache(), trace)).toNumbers();
          expect(largestDifference(out, tensors(`${layer}.output`) ?? [])).toBeLessThanOrEqual(1e-4);
          for (const [i, side] of (["q", "k"] as const).entries()) {
            const theirs = tensors(`${layer}.${side}_norm`);
            if (theirs === null) continue;
            expect(largestDifference(trace.normed[i] ?? [], theirs)).toBeLessThanOrEqual(1e-6);
          }
        }
      },
    );
  });
});

describe.each([...new Set(registered.map(({ family }) => family))])("every key of %s", (family) => {
  const { fields, inherited, aliases } = JSON.parse(readFileSync(join(golden, family, "keys.json"), "utf8"));
  const { dir, modelType } = registered.find((variant) => variant.family === family) as Variant;

  it.each([...Object.keys(fields), ...inherited, ...Object.keys(aliases)])(
    "%s is read, harmless or refused by name",
    (key) => {
      const warnings: string[] = [];
      for (const value of [true, false, 3, 0.5, "x", [1], { x: 1 }]) {
        try {
          modelFamily(modelType).read({ ...readConfig(dir).raw, [key]: value }, (said) =>
            warnings.push(said),
          );
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_CHECKPOINT" });
        }
      }
      for (const warning of warnings) expect(warning).not.toMatch(new RegExp(`too:.*\\b${key}\\b(?!\\.)`));
    },
  );

  it("is understood in the folders that are published", () => {
    for (const variant of registered.filter((other) => other.family === family)) {
      expect(loadModel(variant.dir).warnings).toEqual([]);
    }
  });
});

class NormedTrace extends ForwardTrace {
  normed: readonly Float64Array[] = [];

  override qkNorm(...[layer, request, run]: Parameters<ForwardTrace["qkNorm"]>): [Tensor, Tensor] {
    const result = super.qkNorm(layer, request, run);
    this.normed = result.map((tensor) => tensor.toNumbers());
    return result;
  }
}

function attentionOf(model: object, layer: number): Attention | null {
  const { layers } = (model as { model: { layers: { mixer: unknown }[] } }).model;
  const mixer = layers[layer]?.mixer;
  return mixer instanceof Attention ? mixer : null;
}

function recorded(dir: string) {
  const file = openSafetensors(join(dir, "golden.safetensors"));
  const read = (name: string) => (file.names.includes(name) ? (file.read(name) as Float32Array) : null);
  const all = new Map(file.names.map((name) => [name, read(name)]));
  file.close();
  return {
    ids: all.get("ids") as unknown as Int32Array,
    logits: all.get("logits") as Float32Array,
    tensors: (name: string) => all.get(name) ?? null,
  };
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    // A NaN must not pass as "no difference".
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}
