import { type Device, type FloatDtype, settle, Tensor } from "@qknorm/tensor";
import { Program, programSource } from "../../../../native/gpu/program.ts";
import { cudaDevice, Jit } from "../../../../native/src/index.ts";
import { memoryOf } from "../../../tensor/src/backends/cuda/memory.ts";
import { cudaStream } from "../../../tensor/src/cuda.ts";
import { type CausalLm, type ModelOptions, modelFamily } from "../../src/index.ts";
import { type ModelName, shapes } from "./shapes.ts";

export interface SyntheticOptions extends Pick<ModelOptions, "qkNorm" | "chain" | "rounding"> {
  readonly device: Device;
  readonly dtype: FloatDtype;
}

/**
 * A model of a published shape with random weights, made where it lies: matrices of variance `1 / inputs`, so that
 * activations keep their size, and norms of about one. The same weights for every path.
 */
export function syntheticModel(name: ModelName, { device, dtype, ...options }: SyntheticOptions): CausalLm {
  const shape = shapes[name];
  const blueprint = modelFamily(shape.model_type).read(shape, () => {});
  const model = blueprint.create({ device, dtype, weightDtype: dtype, ...options });
  const fill = device === "cpu" ? fillOnCpu : fillerOf(device);
  let seed = 1;
  const parameters = [...model.parameters()].map(([, parameter]) => parameter);
  for (const parameter of parameters) fill(parameter, spreadOf(parameter), seed++);
  settle(parameters); // as a model that was loaded
  return model;
}

/** Uniform from `middle - reach` to `middle + reach`. */
interface Spread {
  readonly middle: number;
  readonly reach: number;
}

type Fill = (parameter: Tensor, spread: Spread, seed: number) => void;

function spreadOf({ shape }: Tensor): Spread {
  return shape.length === 1
    ? { middle: 1, reach: 0.1 }
    : { middle: 0, reach: Math.sqrt(3 / (shape.at(-1) as number)) };
}

function fillerOf(device: Device): Fill {
  const ordinal = Number(device.slice("cuda:".length));
  const stream = cudaStream(ordinal);
  const source = programSource(new URL("../../../../native/gpu/bench/data.cu", import.meta.url));
  const jit = new Jit({ folder: null, seeds: [] });
  const blocks = 16 * cudaDevice(ordinal).multiprocessors;
  const programs = new Map<string, Program>();
  return (parameter, { middle, reach }, seed) => {
    const { dtype, size, offset } = parameter;
    const QK_DTYPE = { f32: 0, bf16: 1, f16: 2 }[dtype as FloatDtype];
    const bytes = QK_DTYPE === 0 ? 4 : 2;
    const program =
      programs.get(dtype) ??
      new Program(jit, source, "fill_uniform", ["address", "u64", "f32", "f32", "u32"], {
        macros: { QK_DTYPE },
        device: ordinal,
      });
    programs.set(dtype, program);
    const place = { memory: memoryOf(parameter), offset: offset * bytes, bytes: size * bytes };
    program.launch([place, size, middle, reach, seed], blocks, 256).run(stream);
  };
}

function fillOnCpu(parameter: Tensor, { middle, reach }: Spread, seed: number): void {
  let state = seed * 0x9e3779b9;
  const values = Float32Array.from({ length: parameter.size }, () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x6d2b79f5) | 0;
    return middle + reach * (((state ^ (state >>> 13)) >>> 8) / 2 ** 23 - 1);
  });
  parameter.copyFrom(Tensor.from(values, parameter.shape, parameter.dtype));
}
