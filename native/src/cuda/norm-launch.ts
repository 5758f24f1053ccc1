import { QkNormError } from "@qknorm/core";
import { bytesOf } from "./alignment.ts";
import type { CudaKernels, LoadableKernel } from "./kernels.ts";
import type { CudaMemory } from "./memory.ts";
import type { CudaNormForm, CudaNormSide } from "./norm-form.ts";
import type { CudaOp, OpLaunch, ParameterType } from "./op.ts";
import { type CudaStream, requireStream } from "./stream.ts";

/** What depends on the number of tokens. */
export interface NormGeometry {
  readonly kernel: LoadableKernel;
  readonly blocks: number;
  readonly threads: number;
}

/** The fields that a side of a norm kernel's arguments starts with. `prefix` tells two sides apart. */
export function sideParameters(prefix: string): Record<string, ParameterType> {
  const name = (field: string) => nameOf(prefix, field);
  return {
    ...Object.fromEntries(roles.map((role) => [name(role), "address" as const])),
    ...Object.fromEntries(strides.map((stride) => [name(stride), "i64" as const])),
    [name("eps")]: "f32",
  };
}

/** `qInput` for the input of side `q`; `input` where there is one side. */
export function nameOf(prefix: string, field: string): string {
  return prefix === "" ? field : prefix + (field[0] as string).toUpperCase() + field.slice(1);
}

type Role = "input" | "output" | "weight" | "bias";

const roles = ["input", "output", "weight", "bias"] as const;
const strides = ["tokenStride", "headStride", "outTokenStride", "outHeadStride", "weightHeadStride"] as const;

/** An address of a launch: what is bound there, and how far the kernel reaches from it. All in bytes. */
interface Operand {
  readonly name: string;
  readonly at: number;
  readonly alignment: number;
  /** All heads of a token. */
  readonly width: number;
  readonly tokenStride: number;
  memory: CudaMemory | null;
  offset: number;
}

/** An address besides those of the norms, in bytes: it reaches `(tokens - 1) * tokenStride + width` from where it starts. */
export interface OtherOperand {
  readonly name: string;
  readonly alignment: number;
  readonly width: number;
  readonly tokenStride: number;
}

/** A launch of a norm kernel, specialised and packed once and run many times. `CudaQkNorm` tells how it is used. */
export abstract class NormLaunch<Name extends string> {
  protected readonly launch: OpLaunch<string>;
  readonly #operands: readonly Operand[];
  readonly #byName: Readonly<Record<string, Operand>>;
  readonly #rows: number;
  #tokens = 0;
  #stale = true;
  #moved = true;

  protected constructor(
    kernels: CudaKernels,
    op: CudaOp<never, string>,
    form: CudaNormForm,
    sides: Readonly<Record<string, CudaNormSide>>,
    others: readonly OtherOperand[] = [],
  ) {
    for (const side of Object.values(sides)) checkSide(form, side);
    const ofSides = Object.entries(sides).flatMap(([prefix, side]) =>
      side.heads > 0 ? operandsOf(op, form, prefix, side) : [],
    );
    const rest = others.map((one) => ({ ...one, at: op.field(one.name).at, memory: null, offset: 0 }));
    this.#operands = [...ofSides, ...rest];
    this.#byName = Object.fromEntries(this.#operands.map((operand) => [operand.name, operand]));
    this.#rows = Object.values(sides).reduce((sum, { heads }) => sum + heads, 0);
    this.launch = op.launch(
      kernels,
      this.#operands.map(({ name }) => name),
    );
    for (const [prefix, side] of Object.entries(sides)) {
      for (const stride of strides) this.launch.set(nameOf(prefix, stride), side[stride] ?? 0);
      this.launch.set(nameOf(prefix, "eps"), side.eps);
    }
  }

  /** The number of tokens from here on, 0 at first: nothing is launched then. Throws `ERR_QKNORM_ARGUMENT`. */
  tokens(tokens: number): this {
    if (tokens === this.#tokens) return this;
    if (!Number.isSafeInteger(tokens) || tokens < 0) {
      throw new QkNormError(
        "ERR_QKNORM_ARGUMENT",
        `tokens must be an integer from 0 up, got ${String(tokens)}`,
      );
    }
    this.#tokens = tokens;
    this.#stale = true;
    return this;
  }

  /**
   * Where an operand starts, in bytes. What is written may share no bytes with anything else that is bound: the caller
   * knows. Throws `ERR_QKNORM_LAYOUT` for an offset that is not of the form's alignment, `ERR_QKNORM_ARGUMENT` for an
   * operand that this launch does not have.
   */
  bind(name: Name, memory: CudaMemory, offset = 0): this {
    const operand = this.#byName[name];
    if (operand === undefined) {
      const known = this.#operands.map((one) => one.name).join(", ");
      throw new QkNormError("ERR_QKNORM_ARGUMENT", `this launch has no ${String(name)}, but ${known}`);
    }
    if (operand.memory === memory && operand.offset === offset) return this;
    if (!(offset >= 0) || offset % operand.alignment !== 0) {
      throw new QkNormError(
        "ERR_QKNORM_LAYOUT",
        `${name} must start at a multiple of ${operand.alignment} bytes, got ${String(offset)}`,
      );
    }
    operand.memory = memory;
    operand.offset = offset;
    this.#moved = true;
    return this;
  }

  /**
   * Gets the kernel for the tokens, which compiles and loads it on first use, so that `run` need not.
   * Throws what `run` does about kernels and about too many tokens.
   */
  load(): this {
    if (!this.#stale || this.#tokens === 0 || this.#rows === 0) return this;
    const { kernel, blocks, threads } = this.geometryOf(this.#tokens);
    this.launch.use(kernel, blocks, threads);
    this.#stale = false;
    this.#moved = true;
    return this;
  }

  /**
   * Queues the launch. Throws before that: `ERR_QKNORM_LAYOUT` (an operand that does not lie inside of its memory),
   * `ERR_QKNORM_DEVICE`, `ERR_QKNORM_SHAPE` (too many tokens for one launch), `ERR_QKNORM_ARGUMENT` (memory or a stream
   * that was freed, an operand that is not bound), `ERR_QKNORM_SCOPE` (the kernel is not loaded and the thread captures
   * a graph: warm up, or run before), `ERR_NVRTC`, `ERR_CUDA`.
   */
  run(stream: CudaStream): void {
    requireStream(stream);
    if (this.#tokens === 0 || this.#rows === 0) return;
    this.load();
    if (this.#moved) this.#bindAll();
    this.launch.run(stream);
  }

  /** The kernel and the grid for a number of tokens; sets what else depends on it in the arguments. */
  protected abstract geometryOf(tokens: number): NormGeometry;

  #bindAll(): void {
    const operands = this.#operands;
    for (let i = 0; i < operands.length; i++) {
      const { name, at, memory, offset, tokenStride, width } = operands[i] as Operand;
      if (memory === null) {
        throw new QkNormError("ERR_QKNORM_ARGUMENT", `${name} is not bound to any memory`);
      }
      this.launch.bindAt(i, at, memory, offset, (this.#tokens - 1) * tokenStride + width);
    }
    this.#moved = false;
  }
}

function operandsOf(
  op: CudaOp<never, string>,
  form: CudaNormForm,
  prefix: string,
  side: CudaNormSide,
): Operand[] {
  const { inPlace, weight, bias } = form;
  const used = { input: true, output: !inPlace, weight: weight !== null, bias: bias !== null };
  return roles.flatMap((role) => {
    if (!used[role]) return [];
    const affine = role === "weight" || role === "bias";
    const row = form.headDim * bytesOf(affine ? (weight ?? bias ?? form.dtype) : form.dtype);
    const [tokenStride, headStride] = stridesOf(side, role);
    const name = nameOf(prefix, role);
    return {
      ...{ name, at: op.field(name).at, alignment: affine ? form.weightAlignment : form.alignment },
      ...{ tokenStride, width: (side.heads - 1) * headStride + row, memory: null, offset: 0 },
    };
  });
}

function stridesOf(side: CudaNormSide, role: Role): readonly [number, number] {
  if (role === "input") return [side.tokenStride, side.headStride];
  if (role === "output") return [side.outTokenStride ?? 0, side.outHeadStride ?? 0];
  return [0, side.weightHeadStride ?? 0];
}

function checkSide(form: CudaNormForm, side: CudaNormSide): void {
  const { heads, eps, tokenStride, headStride, outTokenStride = 0, outHeadStride = 0 } = side;
  if (!Number.isInteger(heads) || heads < 0 || heads > 65535) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `heads must be an integer from 0 to 65535, got ${String(heads)}`,
    );
  }
  if (!(eps >= 0) || eps === Number.POSITIVE_INFINITY) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", `eps must be a finite number >= 0, got ${String(eps)}`);
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
  throw new QkNormError(
    "ERR_QKNORM_LAYOUT",
    `${name} must be a multiple of ${alignment} bytes, got ${String(bytes)}`,
  );
}
