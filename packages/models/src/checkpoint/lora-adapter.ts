import { existsSync } from "node:fs";
import { join } from "node:path";
import { formatShape, QkNormError } from "@qknorm/core";
import { readJsonObject } from "./json-file.ts";
import { type LoraConfig, parseLoraConfig } from "./lora-config.ts";
import { openSafetensors, type SafetensorsFile } from "./safetensors.ts";
import { shownName } from "./shown-value.ts";
import type { Warn } from "./warnings.ts";
import { withBasePrefix } from "./weight-names.ts";
import { computedWeight, readFloat32, StoredWeight, type Weight, type Weights } from "./weights.ts";

export const ADAPTER_CONFIG = "adapter_config.json";
const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** A LoRA adapter (Hu et al. 2021, arXiv 2106.09685) that lies beside a model's weights. `close` it. */
export interface LoraAdapter {
  /** The weights with each adapted matrix W `[N, K]` as `W + scale * B A` in f32, where A is `[r, K]` and B `[N, r]`. */
  mergedInto(weights: Weights): Weights;
  close(): void;
}

/**
 * Opens the adapter of a model folder as PEFT writes it, `adapter_config.json` and `adapter_model.safetensors`; null
 * where there is none.
 *
 * @param parts of the base model, as in `withBasePrefix`
 * @throws ERR_CHECKPOINT for an adapter that is no plain LoRA, whose tensors are missing, or that does not fit
 */
export function openLoraAdapter(dir: string, parts: readonly string[], warn: Warn): LoraAdapter | null {
  if (!existsSync(join(dir, ADAPTER_CONFIG))) return null;
  const config = parseLoraConfig(readJsonObject(join(dir, ADAPTER_CONFIG)));
  if (!existsSync(join(dir, ADAPTER_WEIGHTS))) {
    throw new QkNormError(
      "ERR_CHECKPOINT",
      `${dir}: there is ${ADAPTER_CONFIG} but no ${ADAPTER_WEIGHTS}; convert the adapter to it, or take the config out`,
    );
  }
  const file = openSafetensors(join(dir, ADAPTER_WEIGHTS));
  try {
    const tensors = readTensors(file, parts, config);
    const { pairs } = tensors;
    warn(`${ADAPTER_WEIGHTS} is merged into ${pairs.size} matrices`);
    return {
      mergedInto: (weights) => merged(weights, tensors, config, file.path),
      close: () => file.close(),
    };
  } catch (error) {
    file.close();
    throw error;
  }
}

interface Pair {
  readonly a: Weight; // [r, K]
  readonly b: Weight; // [N, r]
}

interface AdapterTensors {
  readonly pairs: ReadonlyMap<string, Pair>;
  /** Base weights that PEFT saved along, as it does for the head: they go before the model's. */
  readonly bases: Weights;
}

const TENSOR_NAME = /^(?:base_model\.model\.)?(.+)\.(?:lora_(A|B)(?:\.[^.]+)?|base_layer)\.weight$/;

/** The two matrices of each adapted layer, under the layer's name in the whole model. */
function readTensors(file: SafetensorsFile, parts: readonly string[], config: LoraConfig): AdapterTensors {
  const halves = { A: new Map<string, Weight>(), B: new Map<string, Weight>() };
  const bases = new Map<string, Weight>();
  for (const name of file.names) {
    const [, layer, half] = TENSOR_NAME.exec(name) ?? [];
    if (layer === undefined)
      return fail(file.path, `${shownName(name)} is no matrix of a plain LoRA adapter`);
    const weight = new StoredWeight(file, name);
    if (half === undefined) bases.set(`${layer}.weight`, weight);
    else halves[half as "A" | "B"].set(layer, weight);
  }
  const [as, bs] = [withBasePrefix(halves.A, parts), withBasePrefix(halves.B, parts)];
  const pairs = new Map<string, Pair>();
  for (const layer of new Set([...as.keys(), ...bs.keys()])) {
    const [a, b] = [as.get(layer), bs.get(layer)];
    if (a === undefined || b === undefined)
      return fail(file.path, `${shownName(layer)} has only one of lora_A and lora_B`);
    const rank = config.rankOf(layer);
    if (a.shape.length !== 2 || b.shape.length !== 2 || a.shape[0] !== rank || b.shape[1] !== rank) {
      return fail(
        file.path,
        `${shownName(layer)} has lora_A ${formatShape(a.shape)} and lora_B ${formatShape(b.shape)}; ${ADAPTER_CONFIG} says rank ${rank}`,
      );
    }
    pairs.set(layer, { a, b });
  }
  return { pairs, bases: withBasePrefix(bases, parts) };
}

function merged(
  weights: Weights,
  { pairs, bases }: AdapterTensors,
  config: LoraConfig,
  path: string,
): Weights {
  const result = new Map([...weights, ...bases]);
  for (const [layer, { a, b }] of pairs) {
    const name = `${layer}.weight`;
    const base = result.get(name) ?? fail(path, `adapts ${shownName(name)}, which the model does not have`);
    const [outputs, inputs] = [b.shape[0] as number, a.shape[1] as number];
    if (base.shape.length !== 2 || base.shape[0] !== outputs || base.shape[1] !== inputs) {
      fail(
        path,
        `adapts ${shownName(name)} as ${formatShape([outputs, inputs])}, but it is ${formatShape(base.shape)}`,
      );
    }
    const read = (weight: Weight): Float32Array =>
      readFloat32(weight) ??
      fail(path, `cannot be merged: ${shownName(name)} or its adapter is ${weight.dtype}`);
    const compute = (): Float32Array => {
      const values = read(base);
      addProduct(values, read(a), read(b), a.shape[0] as number, config.scaleOf(layer));
      return values;
    };
    result.set(name, computedWeight(base.shape, compute));
  }
  return result;
}

/** `w + scale * b a`, in w. */
function addProduct(w: Float32Array, a: Float32Array, b: Float32Array, rank: number, scale: number): void {
  const inputs = a.length / rank;
  const delta = new Float32Array(inputs);
  for (let row = 0; row * inputs < w.length; row++) {
    delta.fill(0);
    for (let r = 0; r < rank; r++) {
      const factor = b[row * rank + r] as number;
      const start = r * inputs;
      for (let column = 0; column < inputs; column++)
        delta[column] = (delta[column] as number) + factor * (a[start + column] as number);
    }
    const start = row * inputs;
    for (let column = 0; column < inputs; column++)
      w[start + column] = (w[start + column] as number) + scale * (delta[column] as number);
  }
}

function fail(path: string, problem: string): never {
  throw new QkNormError("ERR_CHECKPOINT", `${path}: ${problem}`);
}
