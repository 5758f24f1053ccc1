import { formatShape, QkNormError } from "@qknorm/core";
import type { ConfigFields } from "./config-fields.ts";
import { shownName } from "./shown-value.ts";
import type { Weights } from "./weights.ts";

/** The deepest models published have about 130. */
const MOST_LAYERS = 10_000;

/**
 * What a config says of the weights, in the few shapes that all sizes follow from. A checkpoint is held to it before
 * anything of the model is made, so that no config can ask for more memory than its weights fill.
 */
export interface Outline {
  readonly layers: number;
  /** By name; of the layers, those of layer 0, which all share. */
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  /** By name, those that stand for one layer alone, where not all are alike. */
  readonly single?: Readonly<Record<string, readonly number[]>>;
}

/** The sizes of a decoder whose parts are called as in Llama. */
export interface DecoderSizes {
  readonly layers: number;
  readonly vocabSize: number;
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly queryHeads: number;
  readonly kvHeads: number;
  readonly headDim: number;
}

/** Which parameters of a layer tell its sizes, where they are not Llama's: their names below the layer, and shapes. */
export type LayerShapes = Readonly<Record<string, readonly number[]>>;

/**
 * The outline of a decoder; its parts are called as in Llama where `inside` does not say, for all layers or for each.
 *
 * @param others parameters beside the layers that have sizes of their own, by their names below `model`
 */
export function decoderOutline(
  sizes: DecoderSizes,
  inside: LayerShapes | ((layer: number) => LayerShapes) = llamaShapes(sizes),
  others: LayerShapes = {},
): Outline {
  const { layers, vocabSize, hiddenSize } = sizes;
  const below = (layer: number, shapes: LayerShapes): LayerShapes =>
    Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [`model.layers.${layer}.${name}`, shape]),
    );
  const whole = { "model.embed_tokens.weight": [vocabSize, hiddenSize] };
  const beside = Object.fromEntries(Object.entries(others).map(([name, shape]) => [`model.${name}`, shape]));
  if (typeof inside !== "function") {
    return { layers, shapes: { ...whole, ...below(0, inside) }, single: beside };
  }
  const each = Array.from({ length: layers }, (_, layer) => below(layer, inside(layer)));
  return { layers, shapes: whole, single: Object.assign(beside, ...each) };
}

/** The parameters that tell the sizes of Llama's layers. */
export function llamaShapes(sizes: Omit<DecoderSizes, "layers" | "vocabSize">): LayerShapes {
  const { hiddenSize, intermediateSize, queryHeads, kvHeads, headDim } = sizes;
  return {
    "self_attn.q_proj.weight": [queryHeads * headDim, hiddenSize],
    "self_attn.k_proj.weight": [kvHeads * headDim, hiddenSize],
    "mlp.gate_proj.weight": [intermediateSize, hiddenSize],
  };
}

/** `num_hidden_layers`, or another key that says it. @throws ERR_CHECKPOINT beyond 10,000 */
export function readLayers(fields: ConfigFields, key = "num_hidden_layers"): number {
  const layers = fields.positiveInteger(key);
  if (layers > MOST_LAYERS) fields.fail(key, `is ${layers}; at most ${MOST_LAYERS} layers are supported`);
  return layers;
}

/** @throws ERR_CHECKPOINT that says what the config asks for and what the checkpoint in `dir` has */
export function requireOutline(
  weights: Weights,
  { layers, shapes, single = {} }: Outline,
  dir: string,
): void {
  const fail = (problem: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `the checkpoint in ${dir} ${problem}`);
  };
  const present = layersOf(weights);
  if (present < layers) {
    fail(`lacks layers.${present}: it has weights of ${present} layers, the config asks for ${layers}`);
  }
  let wanted = 0;
  for (const [name, shape] of Object.entries({ ...shapes, ...single })) {
    const weight = weights.get(name) ?? fail(`lacks ${name}`);
    if (weight.shape.join() !== shape.join()) {
      fail(
        `has ${shownName(name)} of shape ${formatShape(weight.shape)}; the config asks for ${formatShape(shape)}`,
      );
    }
    wanted += elements(shape) * (name in shapes && name.includes("layers.0.") ? layers : 1);
  }
  const held = [...weights.values()].reduce((sum, { shape }) => sum + elements(shape), 0);
  if (wanted > held) fail(`holds ${held} values; the config asks for ${wanted} at least`);
}

function layersOf(weights: Weights): number {
  let last = -1;
  for (const name of weights.keys()) {
    const [, layer] = /(?:^|\.)layers\.(\d{1,6})\./.exec(name) ?? [];
    if (layer !== undefined) last = Math.max(last, Number(layer));
  }
  return last + 1;
}

function elements(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}
