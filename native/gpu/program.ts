import { readFileSync } from "node:fs";
import {
  CudaKernel,
  CudaLaunch,
  type CudaMemory,
  cudaDevice,
  type Jit,
  type KernelRequest,
} from "../src/index.ts";

/** What one parameter of a kernel is, as it is declared. */
export type Parameter = "address" | "i64" | "u64" | "u32" | "f32";

/** A whole block of memory by default; only for parameters that are addresses. */
export interface Place {
  readonly memory: CudaMemory;
  readonly offset?: number;
  readonly bytes?: number;
}

export interface ProgramOptions {
  readonly macros?: Readonly<Record<string, number | string>>;
  /** It begins with `griddepcontrol.wait`. */
  readonly waits?: boolean;
  readonly device?: number;
}

const sizes: Record<Parameter, number> = { address: 8, i64: 8, u64: 8, u32: 4, f32: 4 };

/** A kernel whose parameters are plain values, compiled and loaded: for tests, baselines and probes. */
export class Program {
  readonly kernel: CudaKernel;
  readonly #parameters: readonly Parameter[];
  readonly #offsets: readonly number[];
  readonly #bytes: number;

  /** Throws as `Jit.compile` and `CudaKernel` do. */
  constructor(
    jit: Jit,
    source: string,
    name: string,
    parameters: readonly Parameter[],
    options: ProgramOptions = {},
  ) {
    const { macros = {}, waits = true, device = 0 } = options;
    const request: KernelRequest = { name, source, macros, arch: cudaDevice(device).arch };
    this.#parameters = parameters;
    const { offsets, bytes } = layoutOf(parameters);
    this.#offsets = offsets;
    this.#bytes = bytes;
    this.kernel = new CudaKernel(device, jit.compile(request).cubin, name, {
      argumentBytes: bytes,
      parameterOffsets: offsets,
      waits,
    });
  }

  /** A prepared launch of `grid` blocks of `block` threads, with one value for each parameter. */
  launch(values: readonly (number | Place)[], grid: number | readonly number[], block: number): CudaLaunch {
    const addresses = this.#parameters.filter((parameter) => parameter === "address").length;
    const launch = new CudaLaunch(this.kernel, this.#bytes, addresses);
    const view = new DataView(launch.bytes.buffer);
    let address = 0;
    this.#parameters.forEach((parameter, i) => {
      const at = this.#offsets[i] as number;
      const value = values[i] as number | Place;
      if (typeof value === "object") {
        const { memory, offset = 0, bytes = memory.bytes - offset } = value;
        launch.address(address++, at, memory, offset, bytes);
      } else if (parameter === "f32") view.setFloat32(at, value, true);
      else if (parameter === "u32") view.setUint32(at, value, true);
      else view.setBigInt64(at, BigInt(value), true);
    });
    return launch.geometry(grid, block);
  }
}

/** A source of this folder behind what all kernels start with, and behind the other `.cuh` files of `kernels/` named. */
export function programSource(file: URL, includes: readonly string[] = []): string {
  const shared = ["ptx.cuh", "elements.cuh", ...includes].map((name) =>
    readFileSync(new URL(`../kernels/${name}`, import.meta.url), "utf8"),
  );
  return `${shared.join("\n")}\n#line 1 "${file.pathname}"\n${readFileSync(file, "utf8")}`;
}

function layoutOf(parameters: readonly Parameter[]): { offsets: number[]; bytes: number } {
  let bytes = 0;
  const offsets = parameters.map((parameter) => {
    const size = sizes[parameter];
    const at = Math.ceil(bytes / size) * size;
    bytes = at + size;
    return at;
  });
  return { offsets, bytes };
}
