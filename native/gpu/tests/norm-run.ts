// Runs a case on the GPU.
import {
  CudaKernels,
  CudaMemory,
  CudaQkNorm,
  type CudaStream,
  cudaDevice,
  type LaunchConfig,
} from "../../src/index.ts";
import type { Bits } from "../numbers.ts";
import { jit } from "./gpu.ts";
import type { NormCase } from "./norm-case.ts";

export interface LaunchChoice {
  /** In place of what the launch table picks. */
  readonly config?: LaunchConfig | undefined;
  /** More tokens than the case has on the host. */
  readonly tokens?: number;
}

export interface PreparedNorm extends Disposable {
  run(): void;
}

const known = new Map<number, CudaKernels>();

/** The kernels of a device, shared by all tests of a file. */
export function kernelsOf(device = 0): CudaKernels {
  let kernels = known.get(device);
  if (kernels === undefined) {
    kernels = new CudaKernels(cudaDevice(device), jit);
    known.set(device, kernels);
  }
  return kernels;
}

/** A launch of a case over `input`, into `output` unless in place, with weights of its own. */
export function launchOf(
  one: NormCase,
  stream: CudaStream,
  input: CudaMemory,
  output: CudaMemory,
  { config, tokens = one.shape.tokens }: LaunchChoice = {},
): PreparedNorm {
  const [q, k] = one.sides();
  const options = { form: one.form, q: q.view, k: k.view, ...(config === undefined ? {} : { config }) };
  const norm = new CudaQkNorm(kernelsOf(stream.device), options).tokens(tokens);
  const owned: CudaMemory[] = [];
  const own = (bits: Bits): CudaMemory => {
    const memory = uploaded(stream, bits);
    owned.push(memory);
    return memory;
  };
  for (const [name, side] of [["q", q] as const, ["k", k] as const]) {
    norm.bind(`${name}Input`, input, side.start);
    if (!one.form.inPlace) norm.bind(`${name}Output`, output, side.start);
    if (side.weights) norm.bind(`${name}Weight`, own(side.weights));
    if (side.biases) norm.bind(`${name}Bias`, own(side.biases));
  }
  return {
    run: () => norm.run(stream),
    [Symbol.dispose]: () => {
      for (const memory of owned) memory.free();
    },
  };
}

/** Runs a case once; the whole output buffer. */
export function runCase(one: NormCase, stream: CudaStream, config?: LaunchConfig): Bits {
  using input = uploaded(stream, one.before);
  using apart = uploaded(stream, one.before);
  const output = one.form.inPlace ? input : apart;
  using norm = launchOf(one, stream, input, output, { config });
  norm.run();
  const after = one.before.slice();
  output.download(after, stream);
  return after;
}

export function uploaded(stream: CudaStream, bits: Bits): CudaMemory {
  const memory = new CudaMemory(stream, bits.byteLength);
  memory.upload(bits, stream);
  return memory;
}
