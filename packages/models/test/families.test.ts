import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { decodeBf16, setQkNormLogger } from "@qknorm/core";
import { convert, Tensor, useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { readConfig } from "../src/checkpoint/config.ts";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { modelFamily } from "../src/families/model-types.ts";
import { Attention } from "../src/layers/attention.ts";
import type { KvCache } from "../src/layers/kv-cache.ts";
import { blockSteps, nextStep } from "../src/layers/sequence-step.ts";
import { ForwardTrace } from "../src/layers/trace.ts";
import { availableKernels } from "./available-kernels.ts";

// What transformers computed in f32 for each family's variants; oracle/families wrote them.
const golden = join(import.meta.dirname, "../golden");
/** Nats, on average. The dense families come to 1.4e-4 at most; rounding once instead of as transformers does, to 7.6e-4. */
const BF16_DIVERGENCE = 5e-4;

interface Variant {
  readonly family: string;
  readonly name: string;
  readonly dir: string;
  readonly modelType: string;
  /** Layers whose attention was recorded alone. */
  readonly layers: readonly number[];
  /** Tokens of a block of the mask; 1 for a causal one. */
  readonly block: number;
}

const variants: readonly Variant[] = readdirSync(golden).flatMap((family) =>
  existsSync(join(golden, family, "keys.json"))
    ? readdirSync(join(golden, family))
        .map((name) => join(golden, family, name))
        .filter((dir) => existsSync(join(dir, "golden.json")))
        .flatMap((dir) => {
          const record = JSON.parse(readFileSync(join(dir, "golden.json"), "utf8"));
          if (record.kind === "attention") return [];
          const { modelType } = readConfig(dir);
          const { layers, block = 1 } = record;
          return [{ family, name: dir.slice(dir.lastIndexOf("/") + 1), dir, modelType, layers, block }];
        })
    : [],
);

beforeAll(() => {
  setQkNormLogger(null);
});
afterEach(() => {
  useKernels("auto");
});

describe.each(availableKernels())("on %s kernels", (kernels) => {
  describe.each(variants)("$family $name", ({ dir, layers, block }) => {
    // Blocks are asked for as a caller does, since not every config has their length.
    const options = { dtype: "f32", blockLength: block } as const;

    it.each(["auto", "fallback"] as const)("has the logits of transformers, QK norm %s", (path) => {
      useKernels(kernels);
      const { ids, logits } = recorded(dir);
      const { model } = loadModel(dir, { ...options, qkNorm: { path } });
      const ours = model.forward(nextStep(ids, model.newCache()), "all").toNumbers();
      expect(largestDifference(ours, logits)).toBeLessThanOrEqual(1e-4);
    });

    it("has the bits of a whole pass in one that is done in pieces", () => {
      useKernels(kernels);
      const { ids } = recorded(dir);
      const { model } = loadModel(dir, options);
      const pieces = model.forwardInPieces(nextStep(ids, model.newCache()));
      let piece = pieces.next();
      while (piece.done !== true) piece = pieces.next();
      expect(piece.value.toNumbers()).toEqual(model.forward(nextStep(ids, model.newCache())).toNumbers());
    });

    it.runIf(block === 1)("has them token by token through the cache", () => {
      useKernels(kernels);
      const { ids, logits } = recorded(dir);
      const { model } = loadModel(dir, options);
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
        const { model } = loadModel(dir, { ...options, qkNorm: { path } });
        const cache = model.newCache();
        // A layer may read the keys of another.
        model.forward(nextStep(ids, cache));
        for (const layer of layers) {
          cache.length = 0;
          const attention = attentionOf(model, layer);
          const hidden = tensors(`${layer}.hidden`);
          if (attention === null || hidden === null) continue;
          const x = Tensor.from(hidden, [ids.length, hidden.length / ids.length]);
          const { out, q, k } = alone(attention, x, { ids, cache, block });
          expect(largestDifference(out, tensors(`${layer}.output`) ?? [])).toBeLessThanOrEqual(1e-4);
          for (const [ours, side] of [
            [q, "q"],
            [k, "k"],
          ] as const) {
            const theirs = tensors(`${layer}.${side}_norm`);
            if (theirs !== null) expect(largestDifference(ours, theirs)).toBeLessThanOrEqual(1e-6);
          }
        }
      },
    );

    it("has the top tokens of transformers in bf16", () => {
      useKernels(kernels);
      const { ids, bf16 } = recorded(dir);
      const { model } = loadModel(dir, { ...options, dtype: "bf16" });
      const ours = convert(model.forward(nextStep(ids, model.newCache()), "all"), "f32").toNumbers();
      const { sameTop, divergence } = compareRows(ours, bf16, ids.length);
      expect(sameTop).toBe(ids.length);
      expect(divergence).toBeLessThanOrEqual(BF16_DIVERGENCE);
    });
  });
});

describe.each([...new Set(variants.map(({ family }) => family))])("every key of %s", (family) => {
  const { fields, inherited, aliases } = JSON.parse(readFileSync(join(golden, family, "keys.json"), "utf8"));
  const { dir, modelType } = variants.find((variant) => variant.family === family) as Variant;

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
    for (const variant of variants.filter((other) => other.family === family)) {
      expect(loadModel(variant.dir).warnings).toEqual([]);
    }
  });
});

/** One attention layer over `x [T, C]`: its output, and q and k after the norm; block by block where the mask says so. */
function alone(
  attention: Attention,
  x: Tensor,
  { ids, cache, block }: { ids: Int32Array; cache: KvCache; block: number },
): { out: number[]; q: number[]; k: number[] } {
  const trace = new NormedTrace();
  const step = nextStep(ids, cache, trace);
  const out: number[] = [];
  for (const part of block === 1 ? [step] : blockSteps(step, block)) {
    const rows = x.slice(0, cache.length, cache.length + part.ids.length);
    out.push(...attention.forward(rows, part).toNumbers());
    cache.advance(part);
  }
  return { out, q: trace.q, k: trace.k };
}

class NormedTrace extends ForwardTrace {
  override readonly chain = "apart";
  readonly q: number[] = [];
  readonly k: number[] = [];

  override qkNorm(...[layer, request, run]: Parameters<ForwardTrace["qkNorm"]>): [Tensor, Tensor] {
    const [q, k] = super.qkNorm(layer, request, run);
    this.q.push(...q.toNumbers());
    this.k.push(...k.toNumbers());
    return [q, k];
  }
}

/** How many rows of logits have one top token, and the mean of KL(theirs, ours) in nats. */
function compareRows(
  ours: ArrayLike<number>,
  theirs: ArrayLike<number>,
  rows: number,
): { sameTop: number; divergence: number } {
  const width = theirs.length / rows;
  let [sameTop, divergence] = [0, 0];
  for (let row = 0; row < rows; row++) {
    const [a, b] = [ours, theirs].map((all) =>
      Array.from({ length: width }, (_, i) => all[row * width + i] as number),
    ) as [number[], number[]];
    if (a.indexOf(Math.max(...a)) === b.indexOf(Math.max(...b))) sameTop++;
    const [p, q] = [logSoftmax(b), logSoftmax(a)];
    divergence += p.reduce((sum, x, i) => sum + Math.exp(x) * (x - (q[i] as number)), 0) / rows;
  }
  return { sameTop, divergence };
}

function logSoftmax(logits: readonly number[]): number[] {
  const largest = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - largest), 0)) + largest;
  return logits.map((x) => x - total);
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
    bf16: Float32Array.from(all.get("logits_bf16") as unknown as Uint16Array, decodeBf16),
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
