import { formatShape, type NormRounding, QkNormError } from "@qknorm/core";
import type { MoeSpec } from "../backend.ts";
import type { Activation } from "../op-specs.ts";
import { assertObject } from "../plain-argument.ts";
import { lastAxisIsDense } from "../strides.ts";
import { Tensor } from "../tensor.ts";
import {
  asRows,
  backendOfAll,
  requireRounding,
  requireShape,
  requireTensor,
  requireWithin,
} from "./checks.ts";
import { composedMoe } from "./composed-moe.ts";
import { requireActivation } from "./pointwise.ts";
import type { Routing } from "./route.ts";

/** The weights of E experts, stacked: gate and up in one `[E, 2I, C]`, gate first, or apart, `[E, I, C]` each. */
export type ExpertWeights<T = Tensor> = { readonly down: T } & (
  | { readonly gateUp: T }
  | { readonly gate: T; readonly up: T }
);

export interface MoeOptions {
  readonly activation: Activation;
  /** Default `output`: see `MoeSpec`. */
  readonly weighs?: MoeSpec["weighs"];
  readonly rounding: NormRounding;
}

/**
 * Mixture of experts (Shazeer et al. 2017): each token of `x [T, C]` through its K experts
 * `down(act(gate(x)) * up(x))`, their outputs times their weights summed up; with `weighs: "input"` a weight multiplies what
 * its expert is given instead (Llama 4). Only chosen experts are read. Accumulation is f32 or wider; what `hf` rounds:
 * `MoeSpec`. A backend without the op has it composed of others, for a routing that the host knows.
 *
 * @returns `[T, C]` in the dtype of x
 * @throws QkNormError `ERR_QKNORM_SHAPE`, `ERR_QKNORM_DTYPE` for weights of the routing that are neither f32 nor of x's
 *   dtype, `ERR_QKNORM_DEVICE` for tensors of two devices, `ERR_QKNORM_ARGUMENT` for an expert that is not there and
 *   options that are not known
 */
export function moe(x: Tensor, experts: ExpertWeights, routing: Routing, options: MoeOptions): Tensor {
  requireTensor(x, "x");
  requireShape(x.shape.length === 2, "moe needs x [T, C]", { x });
  const { gate, up, down } = readExperts(experts, x);
  const [tokens, width] = x.shape as [number, number];
  const { experts: chosen, weights } = (routing ?? {}) as Routing;
  requireTensor(weights, "weights", x.dtype === "f32" ? ["f32"] : ["f32", x.dtype]);
  requireWithin(chosen, gate.shape[0] as number, "expert");
  requireShape(weights.shape.length === 2 && weights.shape[0] === tokens, "weights must be [T, K]", {
    x,
    weights,
  });
  if (chosen.length !== weights.size) {
    throw new QkNormError(
      "ERR_QKNORM_SHAPE",
      `there must be one expert a weight: ${chosen.length} for weights ${formatShape(weights.shape)}`,
    );
  }
  const spec = readOptions(options);
  const backend = backendOfAll({ x, gate, up, down, weights });
  if (backend.ops.moe === undefined) {
    return composedMoe(x, { gate, up, down }, { experts: chosen, weights }, spec);
  }
  const out = Tensor.empty([tokens, width], x.dtype, x.device);
  if (out.size > 0) {
    const dense = (part: Tensor) => (lastAxisIsDense(part) ? part : part.toContiguous());
    const views = { gate: dense(gate), up: dense(up), down: dense(down) };
    backend.ops.moe(asRows(x), views, out, { experts: chosen, weights: weights.toContiguous(), ...spec });
  }
  return out;
}

interface Experts {
  readonly gate: Tensor;
  readonly up: Tensor;
  readonly down: Tensor;
}

function readExperts(experts: ExpertWeights, x: Tensor): Experts {
  assertObject(experts, "experts");
  const given: Partial<Experts> & { readonly gateUp?: Tensor } = experts;
  const { gate, up, down } = "gateUp" in given ? { ...given, ...halves(given.gateUp) } : given;
  for (const [name, part] of Object.entries({ gate, up, down })) requireTensor(part, name);
  const parts = { gate, up, down } as Experts;
  const [count, inner] = parts.gate.shape;
  const fits = (part: Tensor, rows: unknown, columns: unknown) =>
    part.shape.length === 3 && part.shape[0] === count && part.shape[1] === rows && part.shape[2] === columns;
  const width = x.shape[1];
  requireShape(
    fits(parts.gate, inner, width) && fits(parts.up, inner, width) && fits(parts.down, width, inner),
    "moe needs gate and up [E, I, C] and down [E, C, I]",
    { x, ...parts },
  );
  return parts;
}

function halves(gateUp: unknown): { gate: Tensor; up: Tensor } {
  requireTensor(gateUp, "gateUp");
  requireShape(
    gateUp.shape.length === 3 && gateUp.dim(1) % 2 === 0,
    "gateUp must be [E, 2I, C], gate and up of equal width",
    { gateUp },
  );
  const width = gateUp.dim(1) / 2;
  const [gate, up] = gateUp.split(1, [width, width]) as [Tensor, Tensor];
  return { gate, up };
}

function readOptions(options: MoeOptions): Pick<MoeSpec, "activation" | "weighs" | "rounding"> {
  const { activation, weighs = "output", rounding } = (options ?? {}) as MoeOptions;
  requireActivation(activation);
  requireRounding(rounding);
  if (weighs !== "output" && weighs !== "input") {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `weights weigh the "output" or the "input" of an expert`);
  }
  return { activation, weighs, rounding };
}
