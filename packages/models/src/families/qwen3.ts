import type { Tensor } from "@qknorm/tensor";
import { add, linear } from "@qknorm/tensor";
import { decoderOutline } from "../checkpoint/outline.ts";
import { parseQwen3Config, type Qwen3Config } from "../checkpoint/qwen3-config.ts";
import { Attention } from "../layers/attention.ts";
import { Embedding } from "../layers/embedding.ts";
import { KvCache } from "../layers/kv-cache.ts";
import { Linear } from "../layers/linear.ts";
import { Module } from "../layers/module.ts";
import { RmsNorm } from "../layers/rms-norm.ts";
import { RotaryEmbedding } from "../layers/rotary-embedding.ts";
import type { Step } from "../layers/step.ts";
import { SwiGluMlp } from "../layers/swiglu-mlp.ts";
import type { CausalLm, LogitRows, ModelFamily, ModelOptions } from "./causal-lm.ts";

class Qwen3DecoderLayer extends Module {
  readonly inputLayernorm: RmsNorm;
  readonly selfAttn: Attention;
  readonly postAttentionLayernorm: RmsNorm;
  readonly mlp: SwiGluMlp;

  constructor(layer: number, config: Qwen3Config, rotary: RotaryEmbedding, options: ModelOptions) {
    super();
    const { hiddenSize, intermediateSize, eps, attentionBias: bias } = config;
    this.inputLayernorm = new RmsNorm(hiddenSize, eps, options);
    const window = config.windows[layer] ?? null;
    const mask = config.causal ? "causal" : "none";
    this.selfAttn = new Attention(layer, { ...config, bias, window, mask }, rotary, options);
    this.postAttentionLayernorm = new RmsNorm(hiddenSize, eps, options);
    this.mlp = new SwiGluMlp(hiddenSize, intermediateSize, options);
  }

  forward(x: Tensor, step: Step): Tensor {
    const attended = add(x, this.selfAttn.forward(this.inputLayernorm.forward(x), step)); // [T, C]
    return add(attended, this.mlp.forward(this.postAttentionLayernorm.forward(attended)));
  }
}

class Qwen3Model extends Module {
  readonly embedTokens: Embedding;
  readonly layers: Qwen3DecoderLayer[];
  readonly norm: RmsNorm;

  constructor(config: Qwen3Config, options: ModelOptions) {
    super();
    const rotary = new RotaryEmbedding(config.rope, config.headDim, options);
    this.embedTokens = new Embedding(config.vocabSize, config.hiddenSize, options);
    this.layers = Array.from(
      { length: config.layers },
      (_, layer) => new Qwen3DecoderLayer(layer, config, rotary, options),
    );
    this.norm = new RmsNorm(config.hiddenSize, config.eps, options);
  }

  // [T] -> [T, C], not yet normalised
  forward(step: Step): Tensor {
    return this.layers.reduce((x, layer) => layer.forward(x, step), this.embedTokens.forward(step.ids));
  }
}

/** Qwen3 (dense), from the Qwen3 technical report (2025) and the published checkpoints. */
export class Qwen3ForCausalLm extends Module implements CausalLm {
  readonly model: Qwen3Model;
  readonly lmHead: Linear | null;
  readonly #config: Qwen3Config;
  readonly #options: ModelOptions;

  constructor(config: Qwen3Config, options: ModelOptions) {
    super();
    this.model = new Qwen3Model(config, options);
    const tied = options.tiesHead ?? config.tieWordEmbeddings;
    this.lmHead = tied ? null : new Linear(config.hiddenSize, config.vocabSize, options);
    this.#config = config;
    this.#options = options;
  }

  get maxPositions(): number {
    return this.#config.maxPositions;
  }

  newCache(): KvCache {
    return new KvCache({ ...this.#config, dtype: this.#options.dtype, device: this.#options.device });
  }

  forward(step: Step, rows: LogitRows = "last"): Tensor {
    const hidden = this.#run(step); // [T, C]
    const wanted = rows === "all" ? hidden : hidden.slice(0, hidden.dim(0) - 1, hidden.dim(0));
    const normalized = this.model.norm.forward(wanted);
    return linear(normalized, this.lmHead?.weight ?? this.model.embedTokens.weight); // [1 or T, V]
  }

  hidden(step: Step): Tensor {
    return this.model.norm.forward(this.#run(step));
  }

  #run(step: Step): Tensor {
    const hidden = this.model.forward(step);
    step.cache.advance(step.ids.length);
    return hidden;
  }
}

export const qwen3: ModelFamily = {
  modelType: "qwen3",
  read(rawConfig, warn) {
    const config = parseQwen3Config(rawConfig, warn);
    return {
      outline: decoderOutline(config),
      baseParts: ["embed_tokens", "layers", "norm", "rotary_emb"],
      tiesHead: config.tieWordEmbeddings,
      dtype: config.dtype,
      quantization: config.quantization,
      create: (options) => new Qwen3ForCausalLm(config, options),
    };
  },
};
