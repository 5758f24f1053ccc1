import { existsSync } from "node:fs";
import { join } from "node:path";
import { setQkNormLogger } from "@qknorm/core";
import { type KernelChoice, useKernels } from "@qknorm/tensor";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { openSafetensors } from "../src/checkpoint/safetensors.ts";
import { loadModel } from "../src/families/load-model.ts";
import { nextStep } from "../src/layers/sequence-step.ts";
import { availableKernels } from "./available-kernels.ts";

// Logits that transformers computed on the CPU with eager attention; oracle/golden.py wrote them.
const golden = join(import.meta.dirname, "../golden");
const models = [
  {
    name: "qwen3-sums",
    folder: join(golden, "../../../checkpoints/qwen3-sums"),
    file: join(golden, "qwen3-sums.safetensors"),
  },
  {
    name: "tiny-tied",
    folder: join(golden, "tiny-tied"),
    file: join(golden, "tiny-tied/golden.safetensors"),
  },
  {
    name: "tiny-untied",
    folder: join(golden, "tiny-untied"),
    file: join(golden, "tiny-untied/golden.safetensors"),
  },
];
const paths = ["auto", "fallback"] as const;

interface Sequence {
  readonly ids: Int32Array;
  readonly logits: Float32Array; // [T, V]
}

beforeAll(() => {
  setQkNormLogger(null);
});

let former: KernelChoice = "auto";
afterEach(() => {
  useKernels(former);
});

describe.each(availableKernels())("logits on %s kernels", (kernels) => {
  describe.each(models)("$name", ({ folder, file }) => {
    it.each(paths)("are within 1e-4 of transformers in f32, QK norm %s", (path) => {
      former = useKernels(kernels);
      const { model } = loadModel(folder, { dtype: "f32", rounding: "hf", qkNorm: { path } });
      for (const { ids, logits } of sequences(file, "f32")) {
        const ours = model.forward(nextStep(ids, model.newCache()), "all").toNumbers();
        expect(ours.length).toBe(logits.length);
        expect(largestDifference(ours, logits)).toBeLessThanOrEqual(1e-4);
      }
    });

    it("are the same in f32 when tokens come one at a time through the KV cache", () => {
      former = useKernels(kernels);
      const { model } = loadModel(folder, { dtype: "f32" });
      const { ids, logits } = sequences(file, "f32").at(-1) as Sequence;
      const vocab = logits.length / ids.length;
      const cache = model.newCache();
      for (const [t, id] of ids.entries()) {
        const ours = model.forward(nextStep([id], cache)).toNumbers();
        expect(largestDifference(ours, logits.subarray(t * vocab, (t + 1) * vocab))).toBeLessThanOrEqual(
          1e-4,
        );
      }
      expect(cache.length).toBe(ids.length);
    });
  });

  it.each(paths)("pick transformers' top token in bf16 on 99 in 100 positions, QK norm %s", (path) => {
    former = useKernels(kernels);
    const agreement = models.map(({ folder, file }) => {
      const { model } = loadModel(folder, { dtype: "bf16", rounding: "hf", qkNorm: { path } });
      return compare(sequences(file, "bf16"), (ids) =>
        model.forward(nextStep(ids, model.newCache()), "all").toNumbers(),
      );
    });
    const positions = agreement.reduce((sum, { positions }) => sum + positions, 0);
    const same = agreement.reduce((sum, { sameTop }) => sum + sameTop, 0);
    const divergence = agreement.reduce((sum, { divergence }) => sum + divergence, 0) / positions;
    expect(positions).toBe(288);
    expect(same / positions).toBeGreaterThanOrEqual(0.99);
    // Mean KL in nats; measured 4.4e-5 (native; 4.7e-5 with products of bf16) and 4.9e-5 (TypeScript).
    expect(divergence).toBeLessThan(1e-4);
  });
});

it("has its golden files", () => {
  for (const { file } of models) expect(existsSync(file)).toBe(true);
});

function sequences(file: string, dtype: "f32" | "bf16"): Sequence[] {
  const opened = openSafetensors(file);
  try {
    const count = opened.names.filter((name) => name.startsWith("ids_")).length;
    return Array.from({ length: count }, (_, i) => ({
      ids: opened.read(`ids_${i}`) as Int32Array,
      logits: opened.read(`logits_${dtype}_${i}`) as Float32Array,
    }));
  } finally {
    opened.close();
  }
}

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] as number) - (b[i] as number));
    // A NaN must not pass as "no difference".
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

// Our top token counts as transformers' when no token of theirs has a larger logit: bf16 logits tie now and then.
function compare(
  sequences: readonly Sequence[],
  run: (ids: Int32Array) => Float64Array,
): { positions: number; sameTop: number; divergence: number } {
  let [positions, sameTop, divergence] = [0, 0, 0];
  for (const { ids, logits } of sequences) {
    const ours = run(ids);
    const vocab = logits.length / ids.length;
    for (let t = 0; t < ids.length; t++) {
      const theirRow = Float64Array.from(logits.subarray(t * vocab, (t + 1) * vocab));
      const ourRow = ours.subarray(t * vocab, (t + 1) * vocab);
      positions += 1;
      if (theirRow[ourRow.indexOf(Math.max(...ourRow))] === Math.max(...theirRow)) sameTop += 1;
      divergence += klDivergence(theirRow, ourRow);
    }
  }
  return { positions, sameTop, divergence };
}

function klDivergence(p: Float64Array, q: Float64Array): number {
  const [logP, logQ] = [logSoftmax(p), logSoftmax(q)];
  return logP.reduce((sum, value, i) => sum + Math.exp(value) * (value - (logQ[i] as number)), 0);
}

function logSoftmax(logits: Float64Array): Float64Array {
  const peak = Math.max(...logits);
  const log = peak + Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit - peak), 0));
  return logits.map((logit) => logit - log);
}
