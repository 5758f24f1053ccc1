import { activate, add, type FloatDtype, gatherRows, Indices, mul, Tensor } from "@qknorm/tensor";
import { DecoderLayer, through } from "../../layers/decoder-layer.ts";
import { Linear } from "../../layers/linear.ts";
import { GatedMlp } from "../../layers/mlp.ts";
import { Experts } from "../../layers/moe.ts";
import { Norm } from "../../layers/norm.ts";
import type { Step } from "../../layers/step.ts";
import type { LayerContext } from "../decoder-model.ts";
import { Gemma4Attention, gemma4Norm } from "./attention.ts";
import type { Gemma4Config } from "./config.ts";
import { Gemma4Router } from "./router.ts";

const NAMES: Readonly<Record<string, string>> = {
  postMlpNorm: "post_feedforward_layernorm_1",
  postExpertsNorm: "post_feedforward_layernorm_2",
  preExpertsNorm: "pre_feedforward_layernorm_2",
};

/** A layer of Gemma 4, `[T, C] -> [T, C]`: sandwich norms, then the layer's own input of each token, then a scalar. */
export class Gemma4Layer extends DecoderLayer {
  readonly layerScalar: Tensor; // [1]
  readonly perLayerInputGate: Linear | null;
  readonly perLayerProjection: Linear | null;
  readonly postPerLayerInputNorm: Norm | null;
  readonly router: Gemma4Router | null;
  readonly experts: Experts | null;
  /** Of what the MLP gives, of what the experts give, and of what they are given. */
  readonly postMlpNorm: Norm | null;
  readonly postExpertsNorm: Norm | null;
  readonly preExpertsNorm: Norm | null;
  readonly #activation: Gemma4Config["activation"];

  constructor(config: Gemma4Config, context: LayerContext) {
    const { hiddenSize, activation, layerInputs, doubleWide } = config;
    const shares = config.perLayer[context.layer]?.keysOf !== null;
    const intermediateSize = config.intermediateSize * (doubleWide && shares ? 2 : 1);
    const norm = gemma4Norm(hiddenSize, config.eps);
    const mlp = new GatedMlp({ hiddenSize, intermediateSize, activation }, context);
    super({ mixer: new Gemma4Attention(config, context), mlp, arrangement: "sandwich", norm }, context);
    const width = layerInputs?.width ?? null;
    this.layerScalar = Tensor.zeros([1], context.weightDtype, context.device);
    this.perLayerInputGate = width === null ? null : new Linear(hiddenSize, width, context);
    this.perLayerProjection = width === null ? null : new Linear(width, hiddenSize, context);
    this.postPerLayerInputNorm = width === null ? null : new Norm(norm, context);
    const { experts } = config;
    const expertNorm = () => (experts === null ? null : new Norm(norm, context));
    this.router = experts && new Gemma4Router(config, experts, context);
    this.experts =
      experts &&
      new Experts(
        { hiddenSize, experts: experts.count, intermediateSize: experts.intermediateSize, activation },
        context,
      );
    this.postMlpNorm = expertNorm();
    this.postExpertsNorm = expertNorm();
    this.preExpertsNorm = expertNorm();
    this.#activation = activation;
  }

  /** `input [T, P]`: what the model has for this layer of each token. */
  override forward(x: Tensor, step: Step, input?: Tensor): Tensor {
    const mixed = super.forward(x, step);
    const whole = input === undefined ? mixed : add(mixed, this.#ofInput(mixed, input));
    return mul(whole, this.#scalars(whole));
  }

  /** `layer_scalar` for each value of `x [T, C]`, where it lies: a device need not be waited for. */
  #scalars(x: Tensor): Tensor {
    const [tokens, width] = x.shape as [number, number];
    const copies = (table: Tensor, count: number) =>
      gatherRows(table, Indices.from(new Int32Array(count)), x.dtype as FloatDtype);
    const row = copies(this.layerScalar.view([1, 1]), width).view([1, width]);
    return copies(row, tokens);
  }

  protected override feedForward(input: Tensor, x: Tensor): Tensor {
    const dense = super.feedForward(input, x);
    const { router, experts, postMlpNorm, postExpertsNorm, preExpertsNorm } = this;
    if (router === null || experts === null) return dense;
    const routed = experts.forward(through(preExpertsNorm, x), router.forward(x));
    return add(through(postMlpNorm, dense), through(postExpertsNorm, routed));
  }

  protected override checkpointName(field: string): string {
    return NAMES[field] ?? super.checkpointName(field);
  }

  #ofInput(x: Tensor, input: Tensor): Tensor {
    const [gate, project, norm] = [
      this.perLayerInputGate,
      this.perLayerProjection,
      this.postPerLayerInputNorm,
    ];
    if (gate === null || project === null || norm === null) return x;
    return norm.forward(project.forward(mul(activate(gate.forward(x), this.#activation), input)));
  }
}
