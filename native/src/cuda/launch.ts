import { QkNormError } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { CudaKernel } from "./kernel.ts";
import { type CudaMemory, requireMemory } from "./memory.ts";
import { type CudaStream, requireStream } from "./stream.ts";

// The layout of the block is told in binding.ts.
const headNumbers = 9;
const addressNumbers = 4;

/**
 * The arguments of a launch and its geometry, packed once and started many times. `bytes` are the kernel's parameters
 * as it declares them, little endian; the addresses in them are filled in at each launch and checked then. It keeps
 * neither memory nor streams alive.
 *
 *     const launch = new CudaLaunch(kernel, 184, 2);
 *     new DataView(launch.bytes.buffer).setUint32(160, tokens, true);
 *     launch.address(0, 0, q, qOffset, qSpan).geometry(blocks, 256).run(stream);
 */
export class CudaLaunch {
  readonly bytes: Uint8Array;
  readonly #binding = requireBinding();
  readonly #launch: number;
  readonly #numbers: Float64Array;
  #kernel: CudaKernel;

  /** Throws `ERR_QKNORM_ARGUMENT` (a freed kernel, more than 32,764 bytes of arguments, more than 4,096 addresses), `ERR_NATIVE`. */
  constructor(kernel: CudaKernel, argumentBytes: number, addresses: number) {
    requireKernel(kernel);
    const { launch, block } = this.#binding.cudaPrepare(argumentBytes, addresses);
    this.#launch = launch;
    this.bytes = new Uint8Array(block, 0, argumentBytes);
    this.#numbers = new Float64Array(block, Math.ceil(argumentBytes / 8) * 8);
    this.#numbers.set([0, 1, 1, 1, 1, 1, 1, 0, 0]);
    this.#kernel = kernel;
    this.use(kernel);
  }

  /** Another kernel with the same arguments. Throws `ERR_QKNORM_ARGUMENT` if it was freed. */
  use(kernel: CudaKernel): this {
    requireKernel(kernel);
    this.#binding.cudaPrepareKernel(this.#launch, kernel.handle);
    this.#kernel = kernel;
    return this;
  }

  /**
   * Address number `index` goes to byte `at` of the arguments: `length` bytes of `memory` from `offset`, all of which
   * the kernel may touch and nothing else; `null` is a null pointer.
   */
  address(index: number, at: number, memory: CudaMemory | null, offset = 0, length = 0): this {
    const numbers = this.#numbers;
    const first = Number.isInteger(index) ? headNumbers + index * addressNumbers : Number.NaN;
    if (!(first + addressNumbers <= numbers.length)) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `there is no address number ${String(index)} in this launch`,
      );
    }
    if (memory !== null) requireMemory(memory);
    const handle = memory === null ? 0 : memory.handle;
    if (memory !== null && handle === 0)
      throw new QkNormError("ERR_QKNORM_ARGUMENT", "memory has been freed");
    numbers[first] = at;
    numbers[first + 1] = handle;
    numbers[first + 2] = offset;
    numbers[first + 3] = length;
    return this;
  }

  /** `grid` blocks of `block` threads. */
  geometry(grid: number | readonly number[], block: number | readonly number[], sharedBytes = 0): this {
    const [x = 1, y = 1, z = 1] = typeof grid === "number" ? [grid] : sizesOf(grid);
    const [bx = 1, by = 1, bz = 1] = typeof block === "number" ? [block] : sizesOf(block);
    if (typeof sharedBytes !== "number")
      throw new QkNormError("ERR_QKNORM_ARGUMENT", "the bytes of shared memory must be a number");
    this.#numbers.set([x, y, z, bx, by, bz, sharedBytes], 1);
    return this;
  }

  /** Without PDL, even if the kernel could. */
  alone(alone = true): this {
    this.#numbers[8] = alone ? 1 : 0;
    return this;
  }

  /** All blocks run at the same time, so that they may wait for one another; a grid that does not fit is refused. */
  together(): this {
    this.#numbers[8] = 2;
    return this;
  }

  /**
   * Queues the kernel. Throws before that: `ERR_QKNORM_ARGUMENT` (geometry that the kernel cannot have, memory, a kernel
   * or a stream that was freed), `ERR_QKNORM_LAYOUT` (a range outside of its memory, arguments of another length),
   * `ERR_QKNORM_DEVICE`, `ERR_CUDA` naming the kernel and its geometry.
   */
  run(stream: CudaStream): void {
    requireStream(stream);
    if (this.#kernel.handle === 0) throw new QkNormError("ERR_QKNORM_ARGUMENT", "the kernel has been freed");
    this.#numbers[0] = stream.handle;
    this.#binding.cudaLaunch(this.#launch);
  }
}

function requireKernel(kernel: unknown): void {
  if (!(kernel instanceof CudaKernel))
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "a launch needs a CudaKernel");
}

function sizesOf(sizes: readonly number[]): readonly number[] {
  if (Array.isArray(sizes) && sizes.every((size) => typeof size === "number")) return sizes;
  throw new QkNormError(
    "ERR_QKNORM_ARGUMENT",
    "a grid and a block must be a number, or an array of up to three",
  );
}
