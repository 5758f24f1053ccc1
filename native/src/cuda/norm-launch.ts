import { nativeError } from "../loader.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import { CudaLaunch } from "./launch.ts";
import type { CudaMemory } from "./memory.ts";
import { bytesOf, type CudaNormForm, type CudaNormSide } from "./norm-form.ts";
import { NormOperands, type NormSidePlace } from "./norm-operands.ts";
import type { CudaStream } from "./stream.ts";

/** What depends on the number of tokens. */
export interface NormGeometry {
  readonly kernel: LoadableKernel;
  readonly blocks: number;
  readonly threads: number;
}

/** A launch of a norm kernel, specialised and packed once and run many times. `CudaQkNorm` tells how it is used. */
export abstract class NormLaunch<Name extends string> {
  readonly #kernels: CudaKernels;
  readonly #operands: NormOperands<Name>;
  readonly #argumentBytes: number;
  readonly #packed: DataView;
  readonly #rows: number;
  #launch: CudaLaunch | undefined;
  #tokens = 0;
  #stale = true;

  protected constructor(
    kernels: CudaKernels,
    form: CudaNormForm,
    argumentBytes: number,
    places: readonly NormSidePlace<Name>[],
  ) {
    this.#kernels = kernels;
    this.#argumentBytes = argumentBytes;
    this.#packed = new DataView(new ArrayBuffer(argumentBytes));
    for (const { side, at } of places) {
      checkSide(form, side);
      packSide(this.#packed, at, side);
    }
    this.#rows = places.reduce((sum, { side }) => sum + side.heads, 0);
    this.#operands = new NormOperands(form, places);
  }

  /**
   * The number of tokens from here on, 0 at first: nothing is launched then. Throws `ERR_QKNORM_ARGUMENT`, and
   * `ERR_QKNORM_OVERLAP` where as many tokens would be written one over another.
   */
  tokens(tokens: number): this {
    if (tokens === this.#tokens) return this;
    if (!Number.isSafeInteger(tokens) || tokens < 0) {
      throw nativeError("ERR_QKNORM_ARGUMENT", `tokens must be an integer from 0 up, got ${String(tokens)}`);
    }
    this.#operands.setTokens(tokens);
    this.#tokens = tokens;
    this.#stale = true;
    return this;
  }

  /**
   * Where an operand starts, in bytes. Throws `ERR_QKNORM_LAYOUT` for an offset that is not of the form's alignment,
   * `ERR_QKNORM_ARGUMENT` for an operand that this launch does not have.
   */
  bind(operand: Name, memory: CudaMemory, offset = 0): this {
    this.#operands.bind(operand, memory, offset);
    return this;
  }

  /**
   * Gets the kernel for the tokens, which compiles and loads it on first use, so that `run` need not.
   * Throws what `run` does about kernels and about too many tokens.
   */
  load(): this {
    if (this.#stale && this.#tokens > 0 && this.#rows > 0) this.#prepare();
    return this;
  }

  /**
   * Queues the launch. Throws before that: `ERR_QKNORM_LAYOUT` (an operand that does not lie inside of its memory),
   * `ERR_QKNORM_OVERLAP` (what is written shares bytes with q, k, a weight or a bias), `ERR_QKNORM_DEVICE`,
   * `ERR_QKNORM_SHAPE` (too many tokens for one launch), `ERR_QKNORM_ARGUMENT` (memory or a stream that was freed, an
   * operand that is not bound), `ERR_QKNORM_SCOPE` (the kernel is not loaded and the thread captures a graph: warm up,
   * or run before), `ERR_NVRTC`, `ERR_CUDA`.
   */
  run(stream: CudaStream): void {
    if (this.#tokens === 0 || this.#rows === 0) return;
    const launch = this.#stale ? this.#prepare() : (this.#launch as CudaLaunch);
    this.#operands.writeTo(launch);
    launch.run(stream);
  }

  /** The kernel and the grid for a number of tokens; writes what else depends on it into the arguments. */
  protected abstract geometryOf(tokens: number, packed: DataView): NormGeometry;

  /** The arguments, for what stays the same. */
  protected get packed(): DataView {
    return this.#packed;
  }

  #prepare(): CudaLaunch {
    const { kernel: wanted, blocks, threads } = this.geometryOf(this.#tokens, this.#packed);
    const kernel = this.#kernels.get(wanted);
    this.#launch ??= new CudaLaunch(kernel, this.#argumentBytes, this.#operands.count);
    this.#launch.use(kernel).geometry(blocks, threads);
    this.#launch.bytes.set(new Uint8Array(this.#packed.buffer));
    this.#stale = false;
    return this.#launch;
  }
}

function checkSide(form: CudaNormForm, side: CudaNormSide): void {
  const { heads, eps, tokenStride, headStride, outTokenStride = 0, outHeadStride = 0 } = side;
  if (!Number.isInteger(heads) || heads < 0 || heads > 65535) {
    throw nativeError(
      "ERR_QKNORM_ARGUMENT",
      `heads must be an integer from 0 to 65535, got ${String(heads)}`,
    );
  }
  if (!(eps >= 0) || eps === Number.POSITIVE_INFINITY) {
    throw nativeError("ERR_QKNORM_ARGUMENT", `eps must be a finite number >= 0, got ${String(eps)}`);
  }
  const own = { tokenStride, headStride, outTokenStride, outHeadStride };
  for (const [name, bytes] of Object.entries(own)) checkStride(name, bytes, form.alignment);
  checkStride(
    "weightHeadStride",
    side.weightHeadStride ?? 0,
    bytesOf(form.weight ?? form.bias ?? form.dtype),
  );
  if (form.weight !== null || form.bias !== null) {
    checkStride("weightHeadStride", side.weightHeadStride ?? 0, form.weightAlignment);
  }
}

function checkStride(name: string, bytes: number, alignment: number): void {
  if (Number.isSafeInteger(bytes) && bytes >= 0 && bytes % alignment === 0) return;
  throw nativeError(
    "ERR_QKNORM_LAYOUT",
    `${name} must be a multiple of ${alignment} bytes, got ${String(bytes)}`,
  );
}

// What both kernels' arguments start a side with; the addresses are filled in at each launch.
function packSide(packed: DataView, at: number, side: CudaNormSide): void {
  const { tokenStride, headStride, outTokenStride = 0, outHeadStride = 0, weightHeadStride = 0 } = side;
  const strides = [tokenStride, headStride, outTokenStride, outHeadStride, weightHeadStride];
  for (const [i, bytes] of strides.entries()) packed.setBigInt64(at + 32 + 8 * i, BigInt(bytes), true);
  packed.setFloat32(at + 72, side.eps, true);
}
