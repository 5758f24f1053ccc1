import { add, type Tensor } from "@qknorm/tensor";
import { DecoderLayer } from "../../layers/decoder-layer.ts";
import { ExpertsBeside } from "../../layers/experts-beside.ts";
import { assertSizes } from "../../layers/layer-arguments.ts";
import { LayerScalar } from "../../layers/layer-scalar.ts";
import { GatedMlp } from "../../layers/mlp.ts";
import type { Step } from "../../layers/step.ts";
import { TokenInputGate } from "../../layers/token-inputs.ts";
import type { LayerContext } from "../decoder-model.ts";
import { assertMade } from "../made-config.ts";
import { Gemma4Attention, gemma4Norm } from "./attention.ts";
import type { Gemma4Config } from "./config.ts";

/** A layer of Gemma 4, `[T, C] -> [T, C]`: sandwich norms, then the layer's own input of each token, then a scalar. */
export class Gemma4Layer extends DecoderLayer {
  readonly scalar: LayerScalar;
  readonly inputGate: TokenInputGate | null;
  readonly beside: ExpertsBeside | null;

  constructor(config: Gemma4Config, context: LayerContext) {
    assertMade(config, context, "perLayer");
    assertSizes({ intermediateSize: config.intermediateSize }, 1);
    const { layerInputs, doubleWide, experts } = config;
    const shares = config.perLayer[context.layer]?.keysOf !== null;
    const intermediateSize = config.intermediateSize * (doubleWide && shares ? 2 : 1);
    const norm = gemma4Norm(config.hiddenSize, config.eps);
    const mlp = new GatedMlp({ ...config, intermediateSize }, context);
    super({ mixer: new Gemma4Attention(config, context), mlp, arrangement: "sandwich", norm }, context);
    this.scalar = new LayerScalar(context);
    this.inputGate = layerInputs && new TokenInputGate({ ...config, ...layerInputs, norm }, context);
    this.beside = experts && new ExpertsBeside({ ...config, ...experts, norm }, context);
  }

  /** `input [T, P]`: what the model has for this layer of each token. */
  override forward(x: Tensor, step: Step, input?: Tensor): Tensor {
    const mixed = super.forward(x, step);
    const { inputGate } = this;
    const whole =
      input === undefined || inputGate === null ? mixed : add(mixed, inputGate.forward(mixed, input));
    return this.scalar.forward(whole);
  }

  protected override feedForward(input: Tensor, x: Tensor): Tensor {
    const dense = super.feedForward(input, x);
    return this.beside?.forward(dense, x) ?? dense;
  }

  protected override checkpointName(field: string): string {
    return ["scalar", "inputGate", "beside"].includes(field) ? "" : super.checkpointName(field);
  }
}
