import { assertNormSpec, type NormSpec } from "@qknorm/core";
import { addNormalize, normalize, Tensor } from "@qknorm/tensor";
import { assertLayerOptions, assertObject, refuse } from "./layer-arguments.ts";
import { type LayerOptions, Module } from "./module.ts";
import type { ShardRule } from "./shard-rule.ts";

/** A norm of a family, before it has weights. */
export interface NormSetting extends Pick<NormSpec, "kind" | "axis" | "eps" | "weightOffset" | "rounding"> {
  /** `[D]`, `[H, D]`, or `[H * D]` with axis `row`; null for a norm without weight. */
  readonly shape: readonly number[] | null;
  /** A bias of the weight's shape. */
  readonly bias: boolean;
}

/**
 * A norm over the last axis; its `spec` is what lets QK norm be fused. A family's rounding `hf` becomes `once` where the
 * model is asked to round once; a family that rounds once always does.
 */
export class Norm extends Module {
  readonly weight: Tensor | null;
  readonly bias: Tensor | null;
  readonly #spec: NormSpec<Tensor>;

  /** Throws `ERR_QKNORM_NORM` for a setting that is not whole, `ERR_QKNORM_ARGUMENT` for what is none, or no options. */
  constructor(asked: NormSetting, options: LayerOptions) {
    super();
    assertNormSetting(asked);
    assertLayerOptions(options);
    const { shape, bias, ...setting } = asked;
    const zeros = () => Tensor.zeros(shape ?? [], options.weightDtype, options.device);
    this.weight = shape === null ? null : zeros();
    this.bias = bias ? zeros() : null;
    const rounding = options.rounding === "once" ? "once" : setting.rounding;
    this.#spec = Object.freeze({ ...setting, rounding, weight: this.weight, bias: this.bias });
  }

  /** Whether a value is a norm that the constructor made. */
  static override is(value: unknown): value is Norm {
    return typeof value === "object" && value !== null && #spec in value;
  }

  get spec(): NormSpec<Tensor> {
    return this.#spec;
  }

  /** One weight for all heads is everybody's; one of each head, or of all values of all heads, is split with the heads. */
  override shardRule(_field: string): ShardRule {
    if (this.#spec.axis === "row") return { axis: 0, reduces: "sum of squares" };
    return this.weight !== null && this.weight.shape.length === 2 ? { axis: 0 } : "whole";
  }

  forward(x: Tensor): Tensor {
    return normalize(x, this.#spec);
  }

  /** `x + residual`, and the norm of it. */
  ofSum(x: Tensor, residual: Tensor): [Tensor, Tensor] {
    return addNormalize(x, residual, this.#spec);
  }
}

/** RMS with a weight of one value per value of the last axis, rounded as in Llama: what most decoders use. */
export function rmsSetting(width: number, eps: number): NormSetting {
  return { kind: "rms", axis: "head", shape: [width], bias: false, eps, weightOffset: 0, rounding: "hf" };
}

/** RMS times `1 + weight`, rounded once: Gemma's. */
export function onePlusSetting(width: number, eps: number): NormSetting {
  return { ...rmsSetting(width, eps), weightOffset: 1, rounding: "once" };
}

/** LayerNorm, which PyTorch rounds once. */
export function layerNormSetting(width: number, eps: number, bias: "bias" | "no bias"): NormSetting {
  return {
    kind: "layer",
    axis: "head",
    shape: [width],
    bias: bias === "bias",
    eps,
    weightOffset: 0,
    rounding: "once",
  };
}

/** Throws `ERR_QKNORM_ARGUMENT` for what is no setting, `ERR_QKNORM_NORM` for one that is not whole. */
function assertNormSetting(setting: unknown): asserts setting is NormSetting {
  assertObject(setting, "the setting of a norm");
  const { shape, bias } = setting as Partial<NormSetting>;
  if (shape !== null && !Array.isArray(shape)) refuse("the shape of a norm must be an array or null", shape);
  if (typeof bias !== "boolean") refuse("the bias of a norm must be true or false", bias);
  assertNormSpec({ ...setting, weight: null }, "layer");
}
