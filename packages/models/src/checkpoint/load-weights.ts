import { formatShape, QkNormError } from "@qknorm/core";
import { bytesOf, convert, type FloatDtype, fillFromFile, settle, Tensor, tidy } from "@qknorm/tensor";
import { assertText, refuse } from "../layers/layer-arguments.ts";
import { Module } from "../layers/module.ts";
import { openCheckpoint } from "./checkpoint.ts";
import { shownList, shownName } from "./shown-value.ts";
import { readFloat32, type Weight, type Weights, weightsOf } from "./weights.ts";

const floatDtypes: Readonly<Record<string, FloatDtype>> = {
  F32: "f32",
  BF16: "bf16",
  F16: "f16",
  F64: "f32",
};

/**
 * Fills every parameter of a model, straight into its memory where dtypes agree, and past the memory of JavaScript where a
 * device reads files; F64 becomes f32 on the way. The parameters are settled then.
 *
 * Throws `ERR_CHECKPOINT` that names the folder and the tensors when some are missing, left over, or of another shape or
 * dtype.
 */
export function loadWeights(model: Module, weights: Weights, dir: string): void {
  const fail = (what: string): never => {
    throw new QkNormError("ERR_CHECKPOINT", `the checkpoint in ${dir} ${what}`);
  };
  const parameters = new Map(model.parameters());
  const missing = [...parameters.keys()].filter((name) => !weights.has(name));
  const left = [...weights.keys()].filter((name) => !parameters.has(name));
  if (missing.length > 0) fail(`lacks ${shownList(missing)}`);
  if (left.length > 0) fail(`has ${shownList(left)}, which this model does not have`);
  const pairs = [...parameters].map(([name, parameter]) => [name, parameter, weights.get(name)!] as const);
  for (const [name, parameter, weight] of pairs) {
    const problem = misfit(parameter, weight);
    if (problem !== null) fail(`does not fit: ${shownName(name)} ${problem}`);
  }
  for (const [, parameter, weight] of pairs) read(parameter, weight);
  settle(parameters.values());
}

/**
 * Fills a part of a model, made alone, from what a folder has below `prefix`, under the checkpoint's names:
 *
 *     const attention = new Qwen2Attention(parseQwen2Config(raw), { weightDtype: "f32", rounding: "hf" });
 *     loadModule(attention, dir, "model.layers.0.self_attn.");
 *     attention.forward(hidden, nextStep(ids, new KvCache({ layers: 1, dtype: "f32", maxPositions: 64 })));
 *
 * Throws `ERR_CHECKPOINT` as `loadWeights` does, and for a folder that cannot be read; `ERR_QKNORM_ARGUMENT` for what is no
 * module, or no prefix.
 */
export function loadModule(module: Module, dir: string, prefix: string): void {
  if (!Module.is(module)) refuse("what is loaded must be a Module", module);
  assertText(prefix, "the prefix of a module");
  const checkpoint = openCheckpoint(dir);
  try {
    const below = [...weightsOf(checkpoint)].filter(([name]) => name.startsWith(prefix));
    loadWeights(module, new Map(below.map(([name, weight]) => [name.slice(prefix.length), weight])), dir);
  } finally {
    checkpoint.close();
  }
}

/** The dtype weights are kept in: the checkpoint's where that loses nothing, otherwise that of the activations. */
export function weightDtypeOf(weights: Weights, activations: FloatDtype): FloatDtype {
  if (activations !== "f32") return activations;
  const dtypes = new Set([...weights.values()].map(({ dtype }) => floatDtypes[dtype]));
  const [only] = dtypes;
  return dtypes.size === 1 && only !== undefined ? only : "f32";
}

function misfit(parameter: Tensor, { shape, dtype }: Weight): string | null {
  if (shape.length !== parameter.shape.length || shape.some((dim, axis) => dim !== parameter.shape[axis])) {
    return `has shape ${formatShape(shape)}; the config asks for ${formatShape(parameter.shape)}`;
  }
  return floatDtypes[dtype] === undefined
    ? `has dtype ${dtype}; weights must be F32, BF16, F16 or F64`
    : null;
}

function read(parameter: Tensor, weight: Weight): void {
  const { memory, offset, size, shape } = parameter;
  if (weight.dtype !== "F64" && floatDtypes[weight.dtype] === parameter.dtype && memory.data !== null) {
    weight.readInto(memory.data.subarray(offset, offset + size));
    return;
  }
  if (weight.dtype !== "F64" && readByDevice(parameter, weight)) return;
  const values = weight.dtype === "F64" ? readFloat32(weight) : weight.read();
  const stored = floatDtypes[weight.dtype] as FloatDtype;
  const tensor = new Tensor(values as Float32Array | Uint16Array, stored, shape);
  parameter.copyFrom(convert(tensor, parameter.dtype as FloatDtype));
}

/** Straight from the file to the device, which makes it the parameter's dtype; false for one that reads no files. */
function readByDevice(parameter: Tensor, weight: Weight): boolean {
  const takesFiles = parameter.memory.backend.writeFile !== undefined && parameter.contiguous;
  if (weight.pieces === undefined || !takesFiles) return false;
  const stored = floatDtypes[weight.dtype] as FloatDtype;
  const all = parameter.view([parameter.size]);
  for (const piece of weight.pieces()) {
    const first = piece.offset / bytesOf[stored];
    const part = all.slice(0, first, first + piece.bytes / bytesOf[stored]);
    tidy(() => {
      const target = stored === part.dtype ? part : Tensor.empty(part.shape, stored, part.device);
      piece.arrived(fillFromFile(target, piece) as number);
      if (target !== part) part.copyFrom(convert(target, part.dtype as FloatDtype));
    });
  }
  return true;
}
