import { nativeError } from "../loader.ts";
import type { CudaLaunch } from "./launch.ts";
import type { CudaMemory } from "./memory.ts";
import { bytesOf, type CudaNormForm, type CudaNormSide } from "./norm-form.ts";

type Role = "input" | "output" | "weight" | "bias";

/** An address of a launch: what is bound there, and how far the kernel reaches from it. All in bytes. */
interface Operand {
  readonly name: string;
  /** Where the address lies in the kernel's arguments. */
  readonly at: number;
  readonly written: boolean;
  readonly alignment: number;
  /** A row, and all heads of a token. */
  readonly row: number;
  readonly width: number;
  readonly heads: number;
  readonly headStride: number;
  readonly tokenStride: number;
  memory: CudaMemory | null;
  offset: number;
  length: number;
}

/** A side of a launch: what its operands are called, and where its 80 bytes start in the kernel's arguments. */
export interface NormSidePlace<Name extends string> {
  readonly side: CudaNormSide;
  readonly at: number;
  readonly names: Readonly<Record<Role, Name>>;
}

const addressBytes = 8;
const roles = ["input", "output", "weight", "bias"] as const;

/**
 * The operands of a norm's launch. They are checked when they change, before anything is launched: all are bound,
 * aligned, and nothing that is written shares bytes with anything else.
 */
export class NormOperands<Name extends string> {
  readonly #operands: readonly Operand[];
  readonly #byName: Readonly<Record<string, Operand>>;
  #tokens = 0;
  #changed = true;

  constructor(form: CudaNormForm, places: readonly NormSidePlace<Name>[]) {
    this.#operands = places.flatMap((place) => (place.side.heads > 0 ? operandsOf(form, place) : []));
    this.#byName = Object.fromEntries(this.#operands.map((operand) => [operand.name, operand]));
  }

  get count(): number {
    return this.#operands.length;
  }

  /** Throws `ERR_QKNORM_OVERLAP` where a row that is written lies over another of the same tensor. */
  setTokens(tokens: number): void {
    for (const operand of this.#operands) {
      if (operand.written && overlapsItself(operand, tokens)) {
        throw nativeError(
          "ERR_QKNORM_OVERLAP",
          `${operand.name} is written, and its rows overlap: ${tokens} tokens ${operand.tokenStride} bytes apart, ${operand.heads} heads ${operand.headStride} apart, rows of ${operand.row}`,
        );
      }
    }
    for (const operand of this.#operands) {
      operand.length = tokens === 0 ? 0 : (tokens - 1) * operand.tokenStride + operand.width;
    }
    this.#tokens = tokens;
    this.#changed = true;
  }

  bind(name: Name, memory: CudaMemory, offset: number): void {
    const operand = this.#byName[name];
    if (operand === undefined) {
      const known = this.#operands.map((one) => one.name).join(", ");
      throw nativeError("ERR_QKNORM_ARGUMENT", `this launch has no ${String(name)}, but ${known}`);
    }
    if (operand.memory === memory && operand.offset === offset) return;
    if (!(offset >= 0) || offset % operand.alignment !== 0) {
      throw nativeError(
        "ERR_QKNORM_LAYOUT",
        `${name} must start at a multiple of ${operand.alignment} bytes, got ${String(offset)}`,
      );
    }
    operand.memory = memory;
    operand.offset = offset;
    this.#changed = true;
  }

  /** Hands the addresses to the launch, if any has changed. */
  writeTo(launch: CudaLaunch): void {
    if (!this.#changed) return;
    const operands = this.#operands;
    for (let i = 0; i < operands.length; i++) {
      const operand = operands[i] as Operand;
      if (operand.memory === null) {
        throw nativeError("ERR_QKNORM_ARGUMENT", `${operand.name} is not bound to any memory`);
      }
      if (operand.written) this.#checkOthers(operand);
    }
    for (let i = 0; i < operands.length; i++) {
      const { at, memory, offset, length } = operands[i] as Operand;
      launch.address(i, at, memory, offset, length);
    }
    this.#changed = false;
  }

  #checkOthers(written: Operand): void {
    for (const other of this.#operands) {
      if (other === written || other.memory !== written.memory || !overlap(written, other)) continue;
      throw nativeError(
        "ERR_QKNORM_OVERLAP",
        `${written.name} is written, and shares bytes with ${other.name}: ${reach(written)} and ${reach(other)}, ${this.#tokens} tokens`,
      );
    }
  }
}

function operandsOf<Name extends string>(
  form: CudaNormForm,
  { side, at, names }: NormSidePlace<Name>,
): Operand[] {
  const { inPlace, weight, bias } = form;
  const used = { input: true, output: !inPlace, weight: weight !== null, bias: bias !== null };
  return roles.flatMap((role, i) => {
    if (!used[role]) return [];
    const affine = role === "weight" || role === "bias";
    const row = form.headDim * bytesOf(affine ? (weight ?? bias ?? form.dtype) : form.dtype);
    const [tokenStride, headStride] = stridesOf(side, role);
    return {
      ...{ name: names[role], at: at + i * addressBytes, written: role === (inPlace ? "input" : "output") },
      ...{ alignment: affine ? form.weightAlignment : form.alignment, row, heads: side.heads },
      ...{ tokenStride, headStride, width: (side.heads - 1) * headStride + row },
      ...{ memory: null, offset: 0, length: 0 },
    };
  });
}

function stridesOf(side: CudaNormSide, role: Role): readonly [number, number] {
  if (role === "input") return [side.tokenStride, side.headStride];
  if (role === "output") return [side.outTokenStride ?? 0, side.outHeadStride ?? 0];
  return [0, side.weightHeadStride ?? 0];
}

function overlapsItself({ row, width, heads, headStride, tokenStride }: Operand, tokens: number): boolean {
  if (heads > 1 && tokens > 0 && headStride < row) return true;
  if (tokens <= 1) return false;
  const byToken = tokenStride >= width;
  const byHead = tokenStride >= row && (heads === 1 || headStride >= (tokens - 1) * tokenStride + row);
  return !byToken && !byHead;
}

/** May say yes for slices that are interleaved in an uncommon way; never no for shared bytes. */
function overlap(a: Operand, b: Operand): boolean {
  if (a.offset + a.length <= b.offset || b.offset + b.length <= a.offset) return false;
  const apart = b.offset - a.offset;
  // Slices of one packed token, q beside k.
  if (a.tokenStride === b.tokenStride && passes(apart, a.tokenStride, a.width, b.width)) return false;
  const period = a.headStride;
  if (period === 0 || b.headStride !== period) return true;
  // All tokens of a head's q, then all of its k.
  if (passes(apart, period, ofAllTokens(a), ofAllTokens(b))) return false;
  // Slices of one packed head, q, k and v of a head side by side: in tokens of any length, or in an endless row of heads.
  if (!passes(apart, period, a.row, b.row)) return true;
  const reachOfToken = Math.max(a.width, apart + b.width) - Math.min(0, apart);
  const inTokens = a.tokenStride === b.tokenStride && reachOfToken <= a.tokenStride;
  const inHeads = a.tokenStride % period === 0 && b.tokenStride % period === 0;
  return !inTokens && !inHeads;
}

/** From the first row of a head to behind its last. */
function ofAllTokens({ row, width, length }: Operand): number {
  return length - width + row;
}

/** Whether spans of `a` bytes and, `apart` behind, of `b` bytes, both repeated each `period`, never meet. */
function passes(apart: number, period: number, a: number, b: number): boolean {
  const behind = ((apart % period) + period) % period;
  return behind >= a && behind + b <= period;
}

function reach({ offset, length }: Operand): string {
  return `bytes ${offset} to ${offset + length}`;
}
