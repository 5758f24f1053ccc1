import { type Activation, activate, mul, type Tensor } from "@qknorm/tensor";
import { assertLayerOptions, assertObject, assertSizes, refuse } from "./layer-arguments.ts";
import { Linear, type LinearAround } from "./linear.ts";
import { type LayerOptions, Module } from "./module.ts";
import type { Norm } from "./norm.ts";
import { PackedLinear } from "./packed-linear.ts";

/** The sizes of an MLP and its activation. */
export interface MlpSpec {
  readonly hiddenSize: number;
  readonly intermediateSize: number;
  readonly activation: Activation;
  readonly bias?: boolean;
}

/** What stands after the mixer of a decoder layer: `[T, C] -> [T, C]`. */
export interface Mlp extends Module {
  forward(x: Tensor): Tensor;
  /** `x + forward(norm(x))`, with the same bits, by fewer launches than those steps; absent where it has no such way. */
  residual?(x: Tensor, norm: Norm): Tensor;
}

/** What a checkpoint calls the projections of a gated MLP. */
export interface GatedMlpNames {
  readonly gate: string;
  readonly up: string;
  readonly down: string;
}

const USUAL_NAMES: GatedMlpNames = { gate: "gate_proj", up: "up_proj", down: "down_proj" };

/** `down(act(gate(x)) * up(x))` (Shazeer 2020), gate and up as one projection. */
export class GatedMlp extends Module implements Mlp {
  readonly gateUpProj: PackedLinear;
  readonly downProj: Linear;
  readonly #names: GatedMlpNames;
  readonly #width: number;
  readonly #activation: Activation;
  readonly #rounding: LayerOptions["rounding"];

  /** Throws `ERR_QKNORM_ARGUMENT` for sizes that are no integers from 0, and for a spec or options that lack something. */
  constructor(spec: MlpSpec, options: LayerOptions, names: GatedMlpNames = USUAL_NAMES) {
    super();
    assertMlp(spec, options, names);
    const { hiddenSize, intermediateSize: width, activation, bias = false } = spec;
    const parts = { [names.gate]: width, [names.up]: width };
    this.gateUpProj = new PackedLinear(hiddenSize, parts, { ...options, bias, shared: "outputs" });
    this.#names = names;
    this.downProj = new Linear(width, hiddenSize, { ...options, bias, shared: "inputs" });
    this.#width = width;
    this.#activation = activation;
    this.#rounding = options.rounding;
  }

  forward(x: Tensor): Tensor {
    return this.downProj.forward(this.#inner(x, {}));
  }

  residual(x: Tensor, norm: Norm): Tensor {
    return this.downProj.forward(this.#inner(x, { norm }), { residual: x });
  }

  /** `act(gate(x)) * up(x) [T, I]`. */
  #inner(x: Tensor, around: LinearAround): Tensor {
    if (this.#activation === "silu") {
      return this.gateUpProj.forward(x, { ...around, swiglu: this.#rounding });
    }
    const gateUp = this.gateUpProj.forward(x, around); // [T, 2I]
    const [gate, up] = gateUp.split(-1, [this.#width, this.#width]) as [Tensor, Tensor];
    return mul(activate(gate, this.#activation), up);
  }

  protected override checkpointName(field: string): string {
    return field === "downProj" ? this.#names.down : super.checkpointName(field);
  }
}

/** `down(act(up(x)))`; the two go by whatever names the family has. */
export class PlainMlp extends Module implements Mlp {
  readonly up: Linear;
  readonly down: Linear;
  readonly #names: Readonly<Record<string, string>>;
  readonly #activation: Activation;

  /** Throws as `GatedMlp` does. */
  constructor(spec: MlpSpec, names: { readonly up: string; readonly down: string }, options: LayerOptions) {
    super();
    assertMlp(spec, options, names);
    const { hiddenSize, intermediateSize, activation, bias = false } = spec;
    this.up = new Linear(hiddenSize, intermediateSize, { ...options, bias, shared: "outputs" });
    this.down = new Linear(intermediateSize, hiddenSize, { ...options, bias, shared: "inputs" });
    this.#names = { ...names };
    this.#activation = activation;
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(this.activate(this.up.forward(x)));
  }

  residual(x: Tensor, norm: Norm): Tensor {
    return this.down.forward(this.activate(this.up.forward(x, { norm })), { residual: x });
  }

  protected activate(x: Tensor): Tensor {
    return activate(x, this.#activation);
  }

  protected override checkpointName(field: string): string {
    return this.#names[field] ?? super.checkpointName(field);
  }
}

function assertMlp(spec: unknown, options: unknown, names: unknown): void {
  assertObject(spec, "the spec of an MLP");
  const { hiddenSize, intermediateSize } = spec as Partial<MlpSpec>;
  assertSizes({ hiddenSize, intermediateSize }, 0);
  assertLayerOptions(options);
  assertObject(names, "the names of an MLP's projections");
  for (const [part, name] of Object.entries(names)) {
    if (typeof name !== "string") refuse(`the name of ${part} must be a string`, name);
  }
}
