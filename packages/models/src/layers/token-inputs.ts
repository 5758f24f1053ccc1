import { roundTo } from "@qknorm/core";
import {
  type Activation,
  activate,
  add,
  type FloatDtype,
  type Indices,
  mul,
  scale,
  type Tensor,
} from "@qknorm/tensor";
import { Embedding } from "./embedding.ts";
import { Linear } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm, type NormSetting } from "./norm.ts";

/** Inputs that each layer of a model has of its own for each token, beside the hidden states (Gemma 3n and 4). */
export interface TokenInputsSpec {
  /** C. */
  readonly hiddenSize: number;
  /** N. */
  readonly layers: number;
  /** P: of one layer's input. */
  readonly width: number;
  /** Of the table of inputs. */
  readonly vocabSize: number;
  /** Of P values. */
  readonly norm: NormSetting;
}

/**
 * What the model makes of a token for each layer: `(norm(project(embedded) C^-0.5) + embed(id) sqrt(P)) / sqrt(2)`. In the
 * checkpoint its parts stand beside those of the model.
 */
export class TokenInputs extends Module {
  readonly embedTokensPerLayer: Embedding; // [V, N * P]
  readonly perLayerModelProjection: Linear; // [N * P, C]
  readonly perLayerProjectionNorm: Norm; // [P]
  readonly #spec: TokenInputsSpec;
  readonly #dtype: FloatDtype;

  constructor(spec: TokenInputsSpec, options: LayerOptions & { readonly dtype: FloatDtype }) {
    super();
    const { hiddenSize, layers, width, vocabSize, norm } = spec;
    this.embedTokensPerLayer = new Embedding(vocabSize, layers * width, options);
    this.perLayerModelProjection = new Linear(hiddenSize, layers * width, options);
    this.perLayerProjectionNorm = new Norm(norm, options);
    this.#spec = spec;
    this.#dtype = options.dtype;
  }

  /** `[T, P]` for each layer, of `embedded [T, C]`. */
  forward(ids: Indices, embedded: Tensor): readonly Tensor[] {
    const { hiddenSize, layers, width } = this.#spec;
    const root = roundTo(this.#dtype, Math.sqrt(width));
    const ofToken = scale(this.embedTokensPerLayer.forward(ids), root); // [T, N * P]
    const projected = scale(this.perLayerModelProjection.forward(embedded), hiddenSize ** -0.5);
    const heads = projected.view([ids.length, layers, width]);
    const ofContext = this.perLayerProjectionNorm.forward(heads).view([ids.length, layers * width]);
    return scale(add(ofContext, ofToken), Math.SQRT1_2).split(-1, new Array<number>(layers).fill(width));
  }
}

/** What a layer adds of its input `[T, P]`: `norm(project(act(gate(x)) * input))`. Its parts stand beside those of the layer. */
export class TokenInputGate extends Module {
  readonly perLayerInputGate: Linear; // [P, C]
  readonly perLayerProjection: Linear; // [C, P]
  readonly postPerLayerInputNorm: Norm; // [C]
  readonly #activation: Activation;

  constructor(
    spec: Pick<TokenInputsSpec, "hiddenSize" | "width" | "norm"> & { readonly activation: Activation },
    options: LayerOptions,
  ) {
    super();
    this.perLayerInputGate = new Linear(spec.hiddenSize, spec.width, options);
    this.perLayerProjection = new Linear(spec.width, spec.hiddenSize, options);
    this.postPerLayerInputNorm = new Norm(spec.norm, options);
    this.#activation = spec.activation;
  }

  forward(x: Tensor, input: Tensor): Tensor {
    const gated = mul(activate(this.perLayerInputGate.forward(x), this.#activation), input);
    return this.postPerLayerInputNorm.forward(this.perLayerProjection.forward(gated));
  }
}
