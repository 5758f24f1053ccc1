import { formatShape, QkNormError } from "@qknorm/core";
import { convert, type FloatDtype, Tensor } from "@qknorm/tensor";
import type { ModelFamily } from "../families/causal-lm.ts";
import type { Module } from "../layers/module.ts";
import type { Checkpoint } from "./checkpoint.ts";

const floatDtypes: Readonly<Record<string, FloatDtype>> = { F32: "f32", BF16: "bf16", F16: "f16" };

/**
 * Fills every parameter of a model from a checkpoint, straight into its memory where dtypes agree.
 *
 * Throws `ERR_CHECKPOINT` that names the tensors when some are missing, left over, or of another shape or dtype.
 */
export function loadWeights(
  model: Module,
  checkpoint: Checkpoint,
  family: ModelFamily,
  rawConfig: Readonly<Record<string, unknown>>,
): void {
  const parameters = new Map(model.parameters());
  const missing = [...parameters.keys()].filter((name) => !checkpoint.has(name));
  const left = checkpoint.names.filter((name) => !parameters.has(name) && !family.ignores(name, rawConfig));
  if (missing.length > 0) fail(checkpoint, `lacks ${list(missing)}`);
  if (left.length > 0) fail(checkpoint, `has ${list(left)}, which this model does not have`);
  for (const [name, parameter] of parameters) checkShape(name, parameter, checkpoint);
  for (const [name, parameter] of parameters) read(name, parameter, checkpoint);
}

/** The dtype weights are kept in: the checkpoint's where that loses nothing, otherwise that of the activations. */
export function weightDtypeOf(checkpoint: Checkpoint, activations: FloatDtype): FloatDtype {
  if (activations !== "f32") return activations;
  const dtypes = new Set(checkpoint.names.map((name) => floatDtypes[checkpoint.info(name).dtype]));
  const [only] = dtypes;
  return dtypes.size === 1 && only !== undefined ? only : "f32";
}

function checkShape(name: string, parameter: Tensor, checkpoint: Checkpoint): void {
  const { shape, dtype } = checkpoint.info(name);
  if (shape.length !== parameter.shape.length || shape.some((dim, axis) => dim !== parameter.shape[axis])) {
    fail(
      checkpoint,
      `${name} has shape ${formatShape(shape)}; the config asks for ${formatShape(parameter.shape)}`,
    );
  }
  if (floatDtypes[dtype] === undefined)
    fail(checkpoint, `${name} has dtype ${dtype}; weights must be F32, BF16 or F16`);
}

function read(name: string, parameter: Tensor, checkpoint: Checkpoint): void {
  const stored = floatDtypes[checkpoint.info(name).dtype] as FloatDtype;
  const { memory, offset, size, shape } = parameter;
  if (stored === parameter.dtype && memory.data !== null) {
    checkpoint.readInto(name, memory.data.subarray(offset, offset + size));
    return;
  }
  const values = new Tensor(checkpoint.read(name) as Float32Array | Uint16Array, stored, shape);
  parameter.copyFrom(convert(values, parameter.dtype as FloatDtype));
}

function fail(checkpoint: Checkpoint, what: string): never {
  throw new QkNormError("ERR_CHECKPOINT", `the checkpoint in ${checkpoint.dir} ${what}`);
}

function list(names: readonly string[]): string {
  const shown = names.slice(0, 6).join(", ");
  return names.length > 6 ? `${shown} and ${names.length - 6} more tensors` : shown;
}
