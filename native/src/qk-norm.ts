import { type FloatDtype, QkNormError } from "@qknorm/core";
import { paramCounts } from "./binding.ts";
import { requireBinding } from "./loader.ts";
import { type NormSide, writeSide } from "./norm-side.ts";
import { type CpuIsa, dtypeNumbers } from "./numbers.ts";
import { ParamWriter, requireObject } from "./params.ts";

export interface QkNormCall {
  readonly dtype: FloatDtype;
  readonly headDim: number;
  readonly tokens: number;
  readonly sides: readonly [NormSide] | readonly [NormSide, NormSide];
  /** Forces an instruction set; all of them give the same bits. */
  readonly isa?: CpuIsa;
}

/**
 * Normalises each head of q and k (or of one tensor), or all heads of a token together, on the CPU:
 *
 *     rms:    n = x / sqrt(mean(x^2) + eps)
 *     layer:  n = (x - mean(x)) / sqrt(mean((x - mean(x))^2) + eps)
 *     l2:     n = x / sqrt(sum(x^2) + eps)
 *     y = n * (weightOffset + weight) + bias
 *
 * Sums are f64, and a row's bits depend on that row alone: not on its neighbours, threads or the instruction set.
 * Any head dim from 1 up, and rows of any length across heads. Source of the formulas: Zhang and Sennrich (2019), equation 4; Ba, Kiros and Hinton (2016).
 *
 * Throws an `Error` with `code`, before anything is written: `ERR_QKNORM_ARGUMENT` (a value of the wrong type or
 * range), `ERR_QKNORM_DTYPE` (an array of another dtype), `ERR_QKNORM_SHAPE` (a weight of the wrong length),
 * `ERR_QKNORM_LAYOUT` (an array too short, or detached, gaps between heads of a row), `ERR_QKNORM_OVERLAP`, `ERR_NATIVE`
 * (no addon).
 */
export function qkNorm(call: QkNormCall): void {
  const binding = requireBinding();
  requireObject(call, "a call");
  const { sides } = call;
  if (!Array.isArray(sides) || sides.length < 1 || sides.length > 2) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "sides must be an array of one or two sides");
  }
  params
    .start()
    .choice(dtypeNumbers, call.dtype, "dtype")
    .number(call.headDim, "headDim")
    .number(call.tokens, "tokens")
    .number(sides.length, "sides")
    .isa(call.isa);
  const q = sides[0];
  const k = sides[1];
  writeSide(params, q);
  if (k === undefined) {
    binding.qkNorm(params.array, q.input, q.output, q.weight, q.bias);
  } else {
    writeSide(params, k);
    binding.qkNorm(params.array, q.input, q.output, q.weight, q.bias, k.input, k.output, k.weight, k.bias);
  }
}

/**
 * The instruction set that calls without `isa` use: the best one here, or the one that `QKNORM_CPU_ISA` names.
 * Throws `ERR_QKNORM_ARGUMENT` if that variable names none of `availableIsas()`, `ERR_NATIVE` without the addon.
 */
export function cpuIsa(): CpuIsa {
  return requireBinding().cpuIsa() as CpuIsa;
}

/** The instruction sets that can run here, slowest first. Throws `ERR_NATIVE` without the addon. */
export function availableIsas(): readonly CpuIsa[] {
  return requireBinding().availableIsas() as CpuIsa[];
}

const params = new ParamWriter(paramCounts.header + 2 * paramCounts.side);
