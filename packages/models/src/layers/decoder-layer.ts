import { add, type Tensor } from "@qknorm/tensor";
import type { Mlp } from "./mlp.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm, type NormSetting } from "./norm.ts";
import type { Step } from "./step.ts";

/** What mixes tokens in a decoder layer, attention or another: `[T, C] -> [T, C]`. */
export interface Mixer extends Module {
  forward(x: Tensor, step: Step): Tensor;
  /** `x + forward(norm(x))`, with the same bits, by fewer launches than those steps; absent where it has no such way. */
  residual?(x: Tensor, norm: Norm, step: Step): Tensor;
}

/** A layer of a decoder: `[T, C] -> [T, C]`. */
export interface Layer extends Module {
  /** `input`: what the model has for this layer alone, `[T, P]`, in families where layers have an input of their own. */
  forward(x: Tensor, step: Step, input?: Tensor): Tensor;
}

/**
 * Where the norms of a layer stand, m the mixer:
 *
 *     pre:       x += m(norm(x));        x += mlp(norm(x))           Llama
 *     post:      x += norm(m(x));        x += norm(mlp(x))           OLMo 2
 *     sandwich:  x += norm(m(norm(x)));  x += norm(mlp(norm(x)))     Gemma 3
 *     parallel:  h = norm(x);            x += m(h) + mlp(h)          Cohere
 */
export type Arrangement = "pre" | "post" | "sandwich" | "parallel";

type NormField = "inputNorm" | "mixedNorm" | "mlpInputNorm" | "mlpNorm";

/** The norms that an arrangement has, under their usual names. */
const NORMS: Readonly<Record<Arrangement, Readonly<Partial<Record<NormField, string>>>>> = {
  pre: { inputNorm: "input_layernorm", mlpInputNorm: "post_attention_layernorm" },
  post: { mixedNorm: "post_attention_layernorm", mlpNorm: "post_feedforward_layernorm" },
  sandwich: {
    inputNorm: "input_layernorm",
    mixedNorm: "post_attention_layernorm",
    mlpInputNorm: "pre_feedforward_layernorm",
    mlpNorm: "post_feedforward_layernorm",
  },
  parallel: { inputNorm: "input_layernorm" },
};

export interface DecoderLayerParts {
  readonly mixer: Mixer;
  readonly mlp: Mlp;
  readonly arrangement: Arrangement;
  /** Of every norm of the layer. */
  readonly norm: NormSetting;
  /** What the checkpoint calls its parts where that is not usual: `{ mixer: "conv", inputNorm: "operator_norm" }`. */
  readonly names?: Readonly<Record<string, string>>;
}

/** A mixer and an MLP, each added to what it was given. */
export class DecoderLayer extends Module implements Layer {
  readonly mixer: Mixer;
  readonly mlp: Mlp;
  readonly inputNorm: Norm | null;
  readonly mixedNorm: Norm | null;
  readonly mlpInputNorm: Norm | null;
  readonly mlpNorm: Norm | null;
  readonly #arrangement: Arrangement;
  readonly #names: Readonly<Record<string, string>>;

  constructor({ mixer, mlp, arrangement, norm, names }: DecoderLayerParts, options: LayerOptions) {
    super();
    const usual = NORMS[arrangement];
    const normOf = (field: NormField): Norm | null => (field in usual ? new Norm(norm, options) : null);
    this.mixer = mixer;
    this.mlp = mlp;
    this.inputNorm = normOf("inputNorm");
    this.mixedNorm = normOf("mixedNorm");
    this.mlpInputNorm = normOf("mlpInputNorm");
    this.mlpNorm = normOf("mlpNorm");
    this.#arrangement = arrangement;
    this.#names = { mixer: "self_attn", ...usual, ...names };
  }

  forward(x: Tensor, step: Step): Tensor {
    if (this.#arrangement === "pre") return this.#preNormed(x, step);
    const input = through(this.inputNorm, x);
    const branch = through(this.mixedNorm, this.mixer.forward(input, step));
    const [mixed, mlpInput] = this.mlpInputNorm?.ofSum(x, branch) ?? this.#unnormed(x, branch, input);
    return add(mixed, through(this.mlpNorm, this.feedForward(mlpInput, mixed)));
  }

  /** The sum, and what the MLP takes where no norm stands in front of it. */
  #unnormed(x: Tensor, branch: Tensor, input: Tensor): [Tensor, Tensor] {
    const mixed = add(x, branch);
    return [mixed, this.#arrangement === "parallel" ? input : mixed];
  }

  #preNormed(x: Tensor, step: Step): Tensor {
    const [norm, mlpNorm] = [this.inputNorm as Norm, this.mlpInputNorm as Norm];
    const mixed = this.mixer.residual?.(x, norm, step) ?? add(x, this.mixer.forward(norm.forward(x), step));
    return this.mlp.residual?.(mixed, mlpNorm) ?? add(mixed, this.feedForward(mlpNorm.forward(mixed), mixed));
  }

  /**
   * What is added after the mixer, before its norm: of `input`, normalised where the arrangement says so, and of `x`
   * itself. With norms in front the MLP's own `residual` stands for it.
   */
  protected feedForward(input: Tensor, _x: Tensor): Tensor {
    return this.mlp.forward(input);
  }

  protected override checkpointName(field: string): string {
    return this.#names[field] ?? super.checkpointName(field);
  }
}

/** `norm(x)`, or x where there is no norm. */
export function through(norm: Norm | null, x: Tensor): Tensor {
  return norm === null ? x : norm.forward(x);
}
