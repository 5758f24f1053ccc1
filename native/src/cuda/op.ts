import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { requireFields, requireKernels, requireList } from "./call-arguments.ts";
import { type Include, kernelSource } from "./kernel-request.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaLaunch } from "./launch.ts";
import type { CudaMemory } from "./memory.ts";
import type { CudaStream } from "./stream.ts";

/** What a field of a kernel's arguments holds. `faults` is where it tells of indices out of range, and nobody's to set. */
export type ParameterType = "address" | "i64" | "u32" | "i32" | "f32" | "faults";

/** The parameter of a kernel with indices, whose text stands behind `faults.cuh`. */
export const faultsParameter = { faults: "faults" } as const satisfies Record<string, ParameterType>;

/** A kernel as data: all that has to be said of it besides its source. */
export interface OpDeclaration<Form, Name extends string> {
  /** The stem of `kernels/<kernel>.cu`, and the name of its function. */
  readonly kernel: string;
  /** Files of `kernels/` that its text stands behind, besides those of all kernels: `tensor_core.cuh`. */
  readonly includes?: readonly Include[];
  /** The fields of its one parameter, `Args`, in order; each lies where C++ puts it. */
  readonly parameters: Readonly<Record<Name, ParameterType>>;
  /** What it is specialised for. Throws for a form that has no kernel. */
  readonly macros: (form: Form) => Readonly<Record<string, number | string>>;
}

const sizes: Readonly<Record<ParameterType, number>> = {
  address: 8,
  i64: 8,
  u32: 4,
  i32: 4,
  f32: 4,
  faults: 8,
};

/**
 * An op on a device: declared once, then specialised for forms and launched.
 *
 *     const scale = new CudaOp<{ block: number }, "x" | "y" | "count">({
 *       kernel: "scale",
 *       parameters: { x: "address", y: "address", count: "u32" },
 *       macros: ({ block }) => ({ QK_BLOCK: block }),
 *     });
 *     const launch = scale.launch(kernels, ["x", "y"]);
 *     launch.use(scale.request(form, arch), blocks, block).set("count", n).bind("x", memory, 0, bytes) ... .run(stream);
 */
export class CudaOp<Form, Name extends string> {
  readonly argumentBytes: number;
  readonly #declaration: OpDeclaration<Form, Name>;
  readonly #offsets: ReadonlyMap<Name, number>;

  constructor(declaration: OpDeclaration<Form, Name>) {
    requireFields(declaration, "the declaration of an op", ["parameters"]);
    this.#declaration = declaration;
    const offsets = new Map<Name, number>();
    let end = 0;
    for (const [name, type] of Object.entries(declaration.parameters) as [Name, ParameterType][]) {
      const size = sizes[type];
      const at = Math.ceil(end / size) * size;
      offsets.set(name, at);
      end = at + size;
    }
    this.#offsets = offsets;
    const widest = Math.max(
      ...Object.values<ParameterType>(declaration.parameters).map((type) => sizes[type]),
    );
    this.argumentBytes = Math.ceil(end / widest) * widest;
  }

  /** The kernel of a form, with macros of the launch besides. Throws as the declaration's `macros` does. */
  request(form: Form, arch: string, more: Readonly<Record<string, number | string>> = {}): LoadableKernel {
    const { kernel, includes, macros } = this.#declaration;
    return {
      name: kernel,
      source: kernelSource(kernel, includes),
      macros: { ...macros(form), ...more },
      arch,
      argumentBytes: this.argumentBytes,
      waits: true,
    };
  }

  /** A launch that binds these addresses; those left out are null. Throws `ERR_CUDA` without a page for what it tells. */
  launch(kernels: CudaKernels, addresses: readonly Name[]): OpLaunch<Name> {
    return new OpLaunch(kernels, this, addresses);
  }

  /** Bytes of the arguments at which a launch says where faults are told; null for an op without indices. */
  get faultsAt(): number | null {
    const { faults } = this.#declaration.parameters as Record<string, ParameterType>;
    return faults === "faults" ? (this.#offsets.get("faults" as Name) as number) : null;
  }

  /** Where a field lies and what it holds. Throws `ERR_QKNORM_ARGUMENT` for a name that is not declared. */
  field(name: Name): { readonly at: number; readonly type: ParameterType } {
    const at = this.#offsets.get(name);
    if (at !== undefined) return { at, type: this.#declaration.parameters[name] };
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `kernel ${this.#declaration.kernel} has no parameter ${String(name)}`,
    );
  }
}

/**
 * The arguments of an op, written once and launched many times. It checks what could harm memory: addresses and their
 * lengths, at each launch. That nothing written overlaps anything read is for whoever binds to know.
 */
export class OpLaunch<Name extends string> {
  readonly #kernels: CudaKernels;
  readonly #op: CudaOp<never, Name>;
  readonly #addresses: readonly Name[];
  readonly #packed: DataView;
  #launch: CudaLaunch | undefined;
  #wanted: LoadableKernel | undefined;
  #stale = true;

  constructor(kernels: CudaKernels, op: CudaOp<never, Name>, addresses: readonly Name[]) {
    requireKernels(kernels);
    if (!(op instanceof CudaOp)) throw new QkNormError("ERR_QKNORM_ARGUMENT", "a launch needs a CudaOp");
    requireList(addresses, "the addresses of a launch");
    this.#kernels = kernels;
    this.#op = op;
    this.#addresses = addresses;
    this.#packed = new DataView(new ArrayBuffer(op.argumentBytes));
    if (op.faultsAt === null) return;
    const told = requireBinding().cudaFaults(kernels.device.ordinal);
    this.#packed.setBigUint64(op.faultsAt, BigInt(told), true);
  }

  /** Writes a number. It is taken as it is: the caller has checked its range. */
  set(name: Name, value: number): this {
    const { at, type } = this.#op.field(name);
    if (typeof value !== "number" || (type === "i64" && !Number.isInteger(value))) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `${String(name)} must be ${type === "i64" ? "an integer" : "a number"}, got ${String(value)}`,
      );
    }
    if (type === "f32") this.#packed.setFloat32(at, value, true);
    else if (type === "u32") this.#packed.setUint32(at, value, true);
    else if (type === "i32") this.#packed.setInt32(at, value, true);
    else this.#packed.setBigInt64(at, BigInt(value), true);
    this.#stale = true;
    return this;
  }

  /**
   * The kernel and the grid from here on, and the bytes of dynamic shared memory; compiles and loads it on first use.
   * Throws what `CudaKernels.get` and `CudaLaunch` do.
   */
  use(wanted: LoadableKernel, blocks: number | readonly number[], threads: number, sharedBytes = 0): this {
    if (wanted !== this.#wanted) {
      const kernel = this.#kernels.get(wanted);
      this.#launch ??= new CudaLaunch(kernel, this.#op.argumentBytes, this.#addresses.length);
      this.#launch.use(kernel);
      this.#wanted = wanted;
    }
    this.#ready().geometry(blocks, threads, sharedBytes);
    return this;
  }

  /** Binds an address after `use`: `length` bytes from `offset`, all of which the kernel may touch and nothing else. */
  bind(name: Name, memory: CudaMemory, offset: number, length: number): this {
    return this.bindAt(this.#addresses.indexOf(name), this.#op.field(name).at, memory, offset, length);
  }

  /** `bind` for who knows the address's number among those of this launch, and its byte in the arguments. */
  bindAt(index: number, at: number, memory: CudaMemory, offset: number, length: number): this {
    this.#ready().address(index, at, memory, offset, length);
    return this;
  }

  /** All blocks run at the same time (`CudaLaunch.together`); after `use`. */
  together(): this {
    this.#ready().together();
    return this;
  }

  /** Queues the kernel. Throws what `CudaLaunch.run` does. */
  run(stream: CudaStream): void {
    const launch = this.#ready();
    if (this.#stale) {
      launch.bytes.set(new Uint8Array(this.#packed.buffer));
      this.#stale = false;
    }
    launch.run(stream);
  }

  #ready(): CudaLaunch {
    if (this.#launch !== undefined) return this.#launch;
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "a launch has no kernel before `use`");
  }
}
