import { QkNormError, roundTo } from "@qknorm/core";
import { type Indices, scale, type Tensor, tidy } from "@qknorm/tensor";
import { Attention } from "../layers/attention.ts";
import { DecoderLayer, type Layer } from "../layers/decoder-layer.ts";
import { Embedding } from "../layers/embedding.ts";
import { assertSizes } from "../layers/layer-arguments.ts";
import { Module } from "../layers/module.ts";
import { Norm, type NormSetting } from "../layers/norm.ts";
import { lengthOfFirstFrequencies } from "../layers/rope-frequencies.ts";
import { RotaryTables } from "../layers/rotary-embedding.ts";
import type { KvHeads, Step } from "../layers/step.ts";
import type { ModelOptions } from "./causal-lm.ts";

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
  /** Multiplies the embedding, itself rounded to the dtype first (Gemma), or `exact` (AFMoE). */
  readonly embeddingScale?: number;
  readonly embeddingScaleRounding?: "rounded" | "exact";
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

/** Embedding, layers and norm: `model` of a checkpoint. */
export class DecoderModel extends Module {
  readonly embedTokens: Embedding;
  readonly layers: readonly Layer[];
  readonly norm: Norm;
  readonly #spec: DecoderSpec;
  readonly #rotary: RotaryTables;
  readonly #embeddingNorm: Norm | null;
  readonly #dtype: ModelOptions["dtype"];

  /** Throws `ERR_QKNORM_ARGUMENT` for a number of layers that is no integer from 1. */
  constructor(spec: DecoderSpec, options: ModelOptions) {
    super();
    assertSizes({ layers: spec.layers }, 1);
    const rotary = new RotaryTables(options);
    this.#rotary = rotary;
    this.embedTokens = new Embedding(spec.vocabSize, spec.hiddenSize, options);
    this.layers = Array.from({ length: spec.layers }, (_, layer) =>
      spec.layer({ ...options, rotary, layer }),
    );
    this.norm = new Norm(spec.norm, options);
    this.#spec = spec;
    this.#embeddingNorm = spec.embeddingNorm === undefined ? null : new Norm(spec.embeddingNorm, options);
    this.#dtype = options.dtype;
  }

  /**
   * The keys that each layer stores; null for one that reads those of another.
   *
   * @throws ERR_GENERATION for a model with layers that carry a state from token to token instead
   */
  kvHeads(): (KvHeads | null)[] {
    return this.layers.map((layer, n) => {
      const mixer = layer instanceof DecoderLayer ? layer.mixer : null;
      if (mixer instanceof Attention) return typeof mixer.spec.values === "object" ? null : mixer.spec;
      throw new QkNormError(
        "ERR_GENERATION",
        `layer ${n} carries a state from token to token, which a paged cache does not hold`,
      );
    });
  }

  /**
   * The longest sequences that others may be beside: where RoPE's frequencies depend on the length ("dynamic",
   * "longrope"), those of a longer one would turn all of the step.
   */
  get batchedPositions(): number {
    const ropes = this.layers.flatMap((layer) => {
      const mixer = layer instanceof DecoderLayer ? layer.mixer : null;
      return mixer instanceof Attention && mixer.spec.rope ? [mixer.spec.rope.parameters] : [];
    });
    return Math.min(this.#spec.maxPositions, ...ropes.map(lengthOfFirstFrequencies));
  }

  /** See `CausalLm`. */
  keepsAngles(fromTokens: number, toTokens: number): boolean {
    return this.#rotary.keepsAngles(fromTokens, toTokens);
  }

  override dispose(): void {
    super.dispose();
    this.#rotary.dispose();
  }

  // [T] -> [T, C], not yet normalised
  forward(step: Step): Tensor {
    const embedded = this.#embed(step);
    const inputs = this.layerInputs(step.ids, embedded);
    return this.layers.reduce((x, layer, n) => layer.forward(x, step, inputs?.[n]), embedded);
  }

  /** As `forward`; yields after each layer, and frees what it holds when it is left there. */
  *forwardInPieces(step: Step): Generator<void, Tensor, undefined> {
    let x = tidy(() => this.#embed(step));
    const inputs = tidy(() => this.layerInputs(step.ids, x));
    let ended = false;
    try {
      for (const [n, layer] of this.layers.entries()) {
        const before = x;
        x = tidy(() => layer.forward(before, step, inputs?.[n]));
        before.dispose();
        yield;
      }
      ended = true;
      return x;
    } finally {
      for (const input of inputs ?? []) input.dispose();
      if (!ended) x.dispose();
    }
  }

  /** What each layer is given beside the hidden states, for families that have something: of `embedded [T, C]` and its ids. */
  protected layerInputs(_ids: Indices, _embedded: Tensor): readonly Tensor[] | null {
    return null;
  }

  #embed(step: Step): Tensor {
    const { embeddingScale = 1, embeddingScaleRounding } = this.#spec;
    const plain = this.embedTokens.forward(step.ids); // [T, C]
    const factor = embeddingScaleRounding === "exact" ? embeddingScale : roundTo(this.#dtype, embeddingScale);
    const scaled = factor === 1 ? plain : scale(plain, factor);
    return this.#embeddingNorm?.forward(scaled) ?? scaled;
  }

  protected override checkpointName(field: string): string {
    return this.#spec.names?.[field] ?? super.checkpointName(field);
  }
}
