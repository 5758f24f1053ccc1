import { activate, add, mul, scale, Tensor } from "@qknorm/tensor";
import { DecoderLayer } from "../../layers/decoder-layer.ts";
import { Linear } from "../../layers/linear.ts";
import { GatedMlp } from "../../layers/mlp.ts";
import { Norm } from "../../layers/norm.ts";
import type { Step } from "../../layers/step.ts";
import type { LayerContext } from "../decoder-model.ts";
import { Gemma4Attention, gemma4Norm } from "./attention.ts";
import type { Gemma4Config } from "./config.ts";

/** A layer of Gemma 4, `[T, C] -> [T, C]`: sandwich norms, then the layer's own input of each token, then a scalar. */
export class Gemma4Layer extends DecoderLayer {
  readonly layerScalar: Tensor; // [1]
  readonly perLayerInputGate: Linear | null;
  readonly perLayerProjection: Linear | null;
  readonly postPerLayerInputNorm: Norm | null;
  readonly #activation: Gemma4Config["activation"];
  #scalar: number | null = null;

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
    this.#activation = activation;
  }

  /** `input [T, P]`: what the model has for this layer of each token. */
  override forward(x: Tensor, step: Step, input?: Tensor): Tensor {
    const mixed = super.forward(x, step);
    const whole = input === undefined ? mixed : add(mixed, this.#ofInput(mixed, input));
    // It never changes once the weights are there.
    this.#scalar ??= this.layerScalar.toNumbers()[0] as number;
    return scale(whole, this.#scalar);
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
