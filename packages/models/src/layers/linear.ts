import { type ProjectOptions, project, Tensor } from "@qknorm/tensor";
import { assertLayerOptions, assertObject, assertSizes, refuse } from "./layer-arguments.ts";
import { type LayerOptions, Module } from "./module.ts";
import { Norm } from "./norm.ts";
import type { ShardRule, SharedSide } from "./shard-rule.ts";

export interface LinearOptions extends LayerOptions {
  readonly bias?: boolean;
  /** Which side ranks share; absent: every rank has all. */
  readonly shared?: SharedSide;
  /** Lengths of what the outputs have side by side, each of which ranks share. */
  readonly parts?: readonly number[];
}

/** What a projection does besides, in one launch where a device can: a norm in front, and what stands behind. */
export interface LinearAround extends Pick<ProjectOptions, "swiglu" | "residual"> {
  readonly norm?: Norm | null;
}

/** `x [..., K] -> [..., N]`, weight `[N, K]`, bias `[N]` where the family has one. */
export class Linear extends Module {
  readonly weight: Tensor;
  readonly bias: Tensor | null;

  readonly #shared: SharedSide | null;
  readonly #parts: readonly number[] | undefined;

  /** Throws `ERR_QKNORM_ARGUMENT` for sizes that are no integers from 0, and for options that lack something. */
  constructor(inputs: number, outputs: number, options: LinearOptions) {
    super();
    assertSizes({ inputs, outputs }, 0);
    assertLayerOptions(options);
    this.#shared = options.shared ?? null;
    this.#parts = options.parts;
    this.weight = Tensor.zeros([outputs, inputs], options.weightDtype, options.device);
    this.bias = options.bias === true ? Tensor.zeros([outputs], options.weightDtype, options.device) : null;
  }

  override shardRule(field: string): ShardRule {
    if (this.#shared === null) return "whole";
    if (this.#shared === "outputs") return { axis: 0, ...(this.#parts && { parts: this.#parts }) };
    return field === "bias" ? "first" : { axis: 1 };
  }

  /** Throws `ERR_QKNORM_ARGUMENT` for what is no norm and no object around it, and what `project` throws. */
  forward(x: Tensor, around: LinearAround = {}): Tensor {
    assertObject(around, "what stands around a projection");
    const { norm = null, swiglu, residual } = around;
    if (norm !== null && !Norm.is(norm)) refuse("the norm of a projection must be a Norm", norm);
    return project(x, this.weight, { swiglu, residual, norm: norm?.spec, bias: this.bias });
  }
}
