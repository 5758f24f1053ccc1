// A text by itself on a device, whose step is one launch: with the bits of calls, in a cache of its own and in pages.
import { type CudaDeviceName, liveBytes, settle, Tensor, tidy } from "@qknorm/tensor";
import { expect, it } from "vitest";
import { countLaunches } from "../../tensor/test/count-launches.ts";
import { DecodeGraphs } from "../src/generation/decode-graphs.ts";
import { generateNow } from "../src/generation/generate.ts";
import { type CausalLm, modelFamily } from "../src/index.ts";
import { nextStep } from "../src/layers/sequence-step.ts";

const config = {
  ...{ architectures: ["Qwen3ForCausalLM"], model_type: "qwen3", attention_bias: false, hidden_act: "silu" },
  ...{ head_dim: 64, hidden_size: 64, intermediate_size: 96, num_hidden_layers: 2, vocab_size: 61 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 512, rms_norm_eps: 1e-6 },
  ...{ rope_theta: 10_000, rope_scaling: null, tie_word_embeddings: false, torch_dtype: "bfloat16" },
} as const;

function randomModel(device: CudaDeviceName, rounding: "hf" | "once"): CausalLm {
  const dtype = "bf16";
  const model = modelFamily("qwen3")
    .read(config, () => {})
    .create({ device, dtype, weightDtype: dtype, rounding });
  let seed = 7;
  const parameters = [...model.parameters()].map(([, parameter]) => parameter);
  for (const parameter of parameters) {
    const isNorm = parameter.shape.length === 1;
    const values = Float32Array.from({ length: parameter.size }, () => {
      seed = (Math.imul(seed, 1664525) + 1013904223) | 0;
      return (isNorm ? 1 : 0) + (isNorm ? 0.1 : 0.2) * (seed / 2 ** 30);
    });
    tidy(() => parameter.copyFrom(Tensor.from(values, parameter.shape, dtype, device)));
  }
  settle(parameters); // as a model that was loaded
  return model;
}

function joinedLaunches(work: () => void): number {
  const launches = countLaunches();
  try {
    work();
    return launches.count;
  } finally {
    launches.restore();
  }
}

export function deviceJoinedSuite(device: CudaDeviceName): void {
  const prompt = Array.from({ length: 70 }, (_, i) => (i * 11) % config.vocab_size);

  it.each(["hf", "once"] as const)(
    "rounded %s, a text has the tokens of single passes, by one launch a step",
    (rounding) => {
      const before = liveBytes(device);
      using model = randomModel(device, rounding);
      const byCalls: number[] = [];
      using cache = model.newCache();
      for (let ids: readonly number[] = prompt; byCalls.length < 8; ids = byCalls.slice(-1)) {
        const logits = tidy(() => model.forward(nextStep(ids, cache)).toNumbers());
        byCalls.push(logits.indexOf(Math.max(...logits)));
      }
      let tokens: number[] = [];
      expect(
        joinedLaunches(() => {
          tokens = [...generateNow(model, prompt, { maxTokens: 8 })];
        }),
      ).toBe(1);
      expect(tokens).toEqual(byCalls);
      cache.dispose();
      model.dispose();
      expect(liveBytes(device)).toBe(before);
    },
  );

  it.each(["hf", "once"] as const)("rounded %s, a text alone in pages has the bits of calls", (rounding) => {
    using model = randomModel(device, rounding);
    const logitsOf = (pass: (cache: ReturnType<typeof model.newPagedCache>) => void) => {
      using cache = model.newPagedCache({ pages: 40, pageSize: 16 });
      pass(cache);
    };
    const ids = [3, 40, 8, 21];
    const byCalls: ArrayLike<number>[] = [];
    logitsOf((cache) => {
      const sequence = cache.join();
      tidy(() => void model.forward(cache.step([{ sequence, ids: prompt }])));
      for (const id of ids) {
        byCalls.push(tidy(() => model.forward(cache.step([{ sequence, ids: [id] }])).toNumbers()));
      }
    });
    logitsOf((cache) => {
      const graphs = DecodeGraphs.on(device, model, cache, 1) as DecodeGraphs;
      // Its pages are no neighbours: others have come and gone.
      const others = [2, 0, 3, 1].map((n) => [n, cache.join()] as const);
      for (const [, other] of others) cache.reserve(other, 16);
      for (const [, other] of others.toSorted(([a], [b]) => a - b)) cache.leave(other);
      const sequence = cache.join();
      tidy(() => void model.forward(cache.step([{ sequence, ids: prompt }])));
      expect(sequence.pages.some((page, i) => i > 0 && page !== (sequence.pages[i - 1] as number) + 1)).toBe(
        true,
      );
      const launches = joinedLaunches(() => {
        for (const [i, id] of ids.entries()) {
          expect(graphs.logits(cache.step([{ sequence, ids: [id] }])).toNumbers()).toEqual(byCalls[i]);
        }
      });
      // Rounded once, few blocks go over keys in pages, which weights so small do not make up for.
      expect(launches).toBe(rounding === "hf" ? 1 : 0);
      graphs.dispose();
    });
  });
}
