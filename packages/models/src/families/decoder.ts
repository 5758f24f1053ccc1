import { QkNormError, roundTo } from "@qknorm/core";
import { scale, softCap, Tensor, tidy } from "@qknorm/tensor";
import type { Layer } from "../layers/decoder-layer.ts";
import { Embedding } from "../layers/embedding.ts";
import { Head } from "../layers/head.ts";
import { KvCache } from "../layers/kv-cache.ts";
import { Module } from "../layers/module.ts";
import { Norm, type NormSetting } from "../layers/norm.ts";
import { RotaryTables } from "../layers/rotary-embedding.ts";
import { blockSteps, type Step } from "../layers/step.ts";
import type { CausalLm, LogitRows, ModelOptions } from "./causal-lm.ts";

/** What a layer of a model is made with. */
export interface LayerContext extends ModelOptions {
  /** Which it is, from 0. */
  readonly layer: number;
  /** Shared by all layers. */
  readonly rotary: RotaryTables;
}

/** A decoder-only language model as data, around layers that its family makes. */
export interface DecoderSpec {
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly maxPositions: number;
  readonly tieWordEmbeddings: boolean;
  /** After the last layer. */
  readonly norm: NormSetting;
  layer(context: LayerContext): Layer;
  /** Multiplies the embedding, itself rounded to the dtype first (Gemma). */
  readonly embeddingScale?: number;
  /** The embedding goes through a norm (nanochat). */
  readonly embeddingNorm?: NormSetting;
  readonly headBias?: boolean;
  readonly logitScale?: number;
  readonly logitSoftCap?: number | null;
  /**
   * Tokens see all of their own block of so many, the later ones too, as block diffusion decodes (SDAR); a caller may ask
   * for another length. Absent: a causal model.
   */
  readonly blockLength?: number;
  /** What the checkpoint calls parts of `model` where that is not usual: `{ norm: "final_layernorm" }`. */
  readonly names?: Readonly<Record<string, string>>;
}

class DecoderModel extends Module {
  readonly embedTokens: Embedding;
  readonly layers: Layer[];
  readonly norm: Norm;
  readonly #spec: DecoderSpec;
  readonly #embeddingNorm: Norm | null;
  readonly #dtype: ModelOptions["dtype"];

  constructor(spec: DecoderSpec, options: ModelOptions) {
    super();
    const rotary = new RotaryTables(options);
    this.embedTokens = new Embedding(spec.vocabSize, spec.hiddenSize, options);
    this.layers = Array.from({ length: spec.layers }, (_, layer) =>
      spec.layer({ ...options, rotary, layer }),
    );
    this.norm = new Norm(spec.norm, options);
    this.#spec = spec;
    this.#embeddingNorm = spec.embeddingNorm === undefined ? null : new Norm(spec.embeddingNorm, options);
    this.#dtype = options.dtype;
  }

  // [T] -> [T, C], not yet normalised
  forward(step: Step): Tensor {
    return this.layers.reduce((x, layer) => layer.forward(x, step), this.#embed(step));
  }

  /** As `forward`; yields after each layer, and frees what it holds when it is left there. */
  *forwardInPieces(step: Step): Generator<void, Tensor, undefined> {
    let x = tidy(() => this.#embed(step));
    let ended = false;
    try {
      for (const layer of this.layers) {
        const before = x;
        x = tidy(() => layer.forward(before, step));
        if (x.memory !== before.memory) before.dispose();
        yield;
      }
      ended = true;
      return x;
    } finally {
      if (!ended) x.dispose();
    }
  }

  #embed(step: Step): Tensor {
    const { embeddingScale } = this.#spec;
    const plain = this.embedTokens.forward(step.ids); // [T, C]
    const scaled = embeddingScale === undefined ? plain : scale(plain, roundTo(this.#dtype, embeddingScale));
    return this.#embeddingNorm?.forward(scaled) ?? scaled;
  }

  protected override checkpointName(field: string): string {
    return this.#spec.names?.[field] ?? super.checkpointName(field);
  }
}

/** A decoder with its head: embedding, layers, norm, logits. Families extend it with their spec. */
export class DecoderForCausalLm extends Module implements CausalLm {
  readonly model: DecoderModel;
  readonly lmHead: Head;
  readonly #spec: DecoderSpec;
  readonly #options: ModelOptions;
  readonly #blockLength: number;

  /** Throws `ERR_QKNORM_ARGUMENT` for a block length that is no integer from 1, or of a model that is causal. */
  constructor(spec: DecoderSpec, options: ModelOptions) {
    super();
    this.#blockLength = blockLengthOf(spec, options);
    this.model = new DecoderModel(spec, options);
    const tied = options.tiesHead ?? spec.tieWordEmbeddings;
    this.lmHead = new Head({ ...spec, tied, bias: spec.headBias === true }, options);
    this.#spec = spec;
    this.#options = options;
  }

  get maxPositions(): number {
    return this.#spec.maxPositions;
  }

  newCache(): KvCache {
    const { layers, maxPositions } = this.#spec;
    const { dtype, device } = this.#options;
    return new KvCache({ layers, maxPositions, dtype, device });
  }

  forward(step: Step, rows: LogitRows = "last"): Tensor {
    return this.#logits(this.#run(step), rows);
  }

  *forwardInPieces(step: Step): Generator<void, Tensor, undefined> {
    const inPieces = this.#blockLength === 1 ? this.#passInPieces(step) : this.#blocksInPieces(step);
    const hidden = yield* inPieces;
    try {
      return tidy(() => this.#logits(hidden, "last"));
    } finally {
      hidden.dispose();
    }
  }

  hidden(step: Step): Tensor {
    return this.model.norm.forward(this.#run(step));
  }

  // [T, C] -> [1 or T, V]
  #logits(hidden: Tensor, rows: LogitRows): Tensor {
    const { logitScale, logitSoftCap = null } = this.#spec;
    const wanted = rows === "all" ? hidden : hidden.slice(0, hidden.dim(0) - 1, hidden.dim(0));
    const plain = this.lmHead.forward(this.model.norm.forward(wanted), this.model.embedTokens);
    const scaled = logitScale === undefined ? plain : scale(plain, logitScale);
    return logitSoftCap === null ? scaled : softCap(scaled, logitSoftCap);
  }

  #run(step: Step): Tensor {
    return this.#blockLength === 1 ? this.#pass(step) : this.#inBlocks(step);
  }

  #pass(step: Step): Tensor {
    const hidden = this.model.forward(step);
    step.cache.advance(step.ids.length);
    return hidden;
  }

  *#passInPieces(step: Step): Generator<void, Tensor, undefined> {
    const hidden = yield* this.model.forwardInPieces(step);
    step.cache.advance(step.ids.length);
    return hidden;
  }

  /** Of the last block. */
  *#blocksInPieces(step: Step): Generator<void, Tensor, undefined> {
    let last: Tensor | null = null;
    for (const block of blockSteps(step, this.#blockLength)) {
      last?.dispose();
      last = tidy(() => this.#pass(block));
      yield;
    }
    return last as Tensor;
  }

  #inBlocks(step: Step): Tensor {
    const { dtype, device } = this.#options;
    const hidden = Tensor.empty([step.ids.length, this.#spec.hiddenSize], dtype, device);
    let done = 0;
    for (const block of blockSteps(step, this.#blockLength)) {
      hidden.slice(0, done, done + block.ids.length).copyFrom(this.#pass(block));
      done += block.ids.length;
    }
    return hidden;
  }
}

function blockLengthOf({ blockLength }: DecoderSpec, { blockLength: asked }: ModelOptions): number {
  const length = asked ?? blockLength ?? 1;
  if (Number.isSafeInteger(length) && length > 0 && (length === 1 || blockLength !== undefined))
    return length;
  const problem = blockLength === undefined ? "this model is causal" : "it must be an integer from 1";
  throw new QkNormError("ERR_QKNORM_ARGUMENT", `blockLength is ${String(length)}; ${problem}`);
}
