import { isQkNormError, type NormSpec, QkNormError } from "@qknorm/core";
import {
  alignmentOf,
  CudaGemv,
  CudaProduct,
  type GemvForm,
  type GemvNorm,
  gemvNorms,
  mostGemvTokens,
  openCublasLt,
} from "@qknorm/native/cuda";
import type { Memory, ProjectSpec, TensorView } from "../../backend.ts";
import { bytesOf, type FloatDtype } from "../../dtype.ts";
import { contiguousStrides, isContiguous } from "../../strides.ts";
import { convert } from "./convert.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { joinableProduct } from "./joinable-product.ts";
import { KeptLaunches } from "./kept-launches.ts";
import { isSettled, ordinalOfMemory } from "./memory.ts";
import { postponed } from "./postponed.ts";
import { rangeOf, rowBytes, startOf } from "./ranges.ts";

const plain: Omit<ProjectSpec, "bias"> = { norm: null, swiglu: null, residual: null };

/**
 * `out [M, N] = x [M, K] * w [N, K]^T + bias [N]`: up to 8 rows by gemv.cu, more, or several by a large
 * weight, by cuBLASLt where there is one. That takes one dtype: of several, all are widened to f32 first.
 */
export function linear(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): void {
  const rows = x.shape[0] as number;
  if (rows > mostRows(x, w) && (multiplied(x, w, bias, out) || widened(x, w, bias, out))) return;
  gemvOf(x, w, out, { ...plain, bias })();
}

/** The whole of a projection in one launch, for so few rows whose norm fits a block; else `false`. */
export function project(x: TensorView, w: TensorView, out: TensorView, spec: ProjectSpec): boolean {
  const [rows, inputs] = x.shape as [number, number];
  if (rows > mostRows(x, w)) return false;
  if (
    spec.norm !== null &&
    (gemvNorm(spec.norm) === null || !gemvNorms(rows, inputs, x.dtype as FloatDtype))
  ) {
    return false;
  }
  gemvOf(x, w, out, spec)();
  return true;
}

// ---- few rows ----

/** Larger weights, in bytes, are read faster by cuBLASLt than by gemv.cu where there is more than one row. */
const mostOfSeveralRows = 16 << 20;

function mostRows(x: TensorView, w: TensorView): number {
  const large = w.size * bytesOf[w.dtype] > mostOfSeveralRows;
  return large && x.dtype === w.dtype && x.dtype !== "f32" && hasLibrary() ? 1 : mostGemvTokens;
}

// By the memory of the weight, and gone with it. A model has one or two ways of multiplying by each.
const gemvs = new WeakMap<Memory, KeptLaunches<CudaGemv>>();
const mostOfWeight = 32;

function gemvOf(x: TensorView, w: TensorView, out: TensorView, spec: ProjectSpec): () => void {
  const ordinal = ordinalOfMemory(x);
  const form = formOf(x, w, out, spec);
  let known = gemvs.get(w.memory);
  if (known === undefined) {
    known = new KeptLaunches(mostOfWeight);
    gemvs.set(w.memory, known);
  }
  const { norm, ...rest } = form;
  const like = [ordinal, ...Object.values(rest), ...(norm === null ? [] : Object.values(norm))];
  const made = known.get(like, () => new CudaGemv(cudaKernels(ordinal), form));
  const operands = {
    ...{ x: rangeOf(x), weight: rangeOf(w), y: rangeOf(out) },
    normWeight: spec.norm?.weight ? rangeOf(spec.norm.weight) : null,
    bias: spec.bias && rangeOf(spec.bias),
    residual: spec.residual && rangeOf(spec.residual),
  };
  const late = postponed(ordinal);
  if (late === null) return () => made.run(cudaStream(ordinal), operands);
  const step = joinableProduct(form, operands, cudaKernels(ordinal).device);
  return () => late.add({ step, run: (stream) => made.run(stream, operands) });
}

function formOf(
  x: TensorView,
  w: TensorView,
  out: TensorView,
  { norm, bias, swiglu, residual }: ProjectSpec,
): GemvForm {
  const [rows, inputs] = x.shape as [number, number];
  const [xStride, weightStride] = [rowBytes(x), rowBytes(w)];
  const normWeight = norm?.weight ?? null;
  return {
    ...{ dtype: x.dtype as FloatDtype, weight: w.dtype as FloatDtype, bias: dtypeOf(bias) },
    norm: norm && gemvNorm(norm),
    swiglu,
    residual: residual !== null,
    settled: isSettled(w) && (normWeight === null || isSettled(normWeight)),
    ...{ rows, inputs, outputs: out.shape[1] as number },
    ...{ xStride, weightStride, residualStride: residual ? rowBytes(residual) : 0, yStride: rowBytes(out) },
    xAlignment: alignmentOf(startOf(x), xStride),
    weightAlignment: alignmentOf(startOf(w), weightStride),
    normAlignment: normWeight ? alignmentOf(startOf(normWeight)) : 16,
  };
}

/** A norm as the kernel has it, or `null`. */
function gemvNorm({
  kind,
  eps,
  weight,
  bias,
  weightOffset,
  rounding,
}: NormSpec<TensorView>): GemvNorm | null {
  if (kind === "layer" || bias) return null;
  if (weight !== null && weight.shape.length > 0 && weight.strides.at(-1) !== 1 && weight.size > 1)
    return null;
  return { kind, eps, weight: dtypeOf(weight), weightOffset: weight === null ? 0 : weightOffset, rounding };
}

// ---- many rows ----

const products = new Map<string, CudaProduct | null>();
const mostProducts = 512;
let library: boolean | undefined;

/** Multiplies by cuBLASLt; `false`, with nothing done, where it is not there or has no way for such operands. */
function multiplied(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): boolean {
  const dtype = x.dtype as FloatDtype;
  if (w.dtype !== dtype || (bias !== null && bias.dtype !== dtype) || !hasLibrary()) return false;
  // Some of its ways round a product of 16 bits before they add the bias.
  if (bias !== null && dtype !== "f32") return false;
  const [rows, inputs] = x.shape as [number, number];
  const outputs = w.shape[0] as number;
  const width = bytesOf[dtype];
  const ordinal = ordinalOfMemory(x);
  const stride = (view: TensorView, columns: number) => Math.max(columns, rowBytes(view) / width);
  const shape = {
    ...{ dtype, rows, outputs, inputs },
    ...{ xStride: stride(x, inputs), weightStride: stride(w, inputs), outStride: stride(out, outputs) },
    ...{ addedStride: null, bias: bias !== null },
    alignment: alignmentOf(
      ...[x, w, out].flatMap((view) => [startOf(view), rowBytes(view)]),
      bias === null ? 0 : startOf(bias),
    ),
  };
  const key = `${ordinal} ${JSON.stringify(shape)}`;
  let product = products.get(key);
  if (product === undefined) {
    product = planned(() => new CudaProduct(ordinal, shape));
    forgetOldest();
    products.set(key, product);
  }
  if (product === null) return false;
  product.run(cudaStream(ordinal), {
    ...{ x: rangeOf(x), weight: rangeOf(w), out: rangeOf(out) },
    bias: bias && rangeOf(bias),
  });
  return true;
}

/** `multiplied` in f32, of dense operands of several dtypes; otherwise `false`, with nothing left behind. */
function widened(x: TensorView, w: TensorView, bias: TensorView | null, out: TensorView): boolean {
  const all = [x, w, out, bias ?? x];
  if (!hasLibrary() || all.every(({ dtype }) => dtype === x.dtype)) return false;
  if (!all.every(({ shape, strides }) => isContiguous(shape, strides))) return false;
  const scratch: Memory[] = [];
  const wide = ({ dtype, shape, size, memory }: TensorView): TensorView => {
    const room = memory.backend.allocate("f32", size, () => `a product of ${dtype} in f32`);
    scratch.push(room);
    return { memory: room, dtype: "f32", shape, strides: contiguousStrides(shape), offset: 0, size };
  };
  const inF32 = (one: TensorView): TensorView => {
    if (one.dtype === "f32") return one;
    const target = wide(one);
    convert(one, target);
    return target;
  };
  try {
    const result = out.dtype === "f32" ? out : wide(out);
    if (!multiplied(inF32(x), inF32(w), bias && inF32(bias), result)) return false;
    if (result !== out) convert(result, out);
    return true;
  } finally {
    for (const memory of scratch) memory.free();
  }
}

function planned(make: () => CudaProduct): CudaProduct | null {
  try {
    return make();
  } catch (error) {
    if (isQkNormError(error) && error.code === "ERR_CUDA") return null;
    throw error;
  }
}

function forgetOldest(): void {
  if (products.size < mostProducts) return;
  const [key, product] = products.entries().next().value as [string, CudaProduct | null];
  product?.free();
  products.delete(key);
}

function hasLibrary(): boolean {
  if (library === undefined) {
    try {
      openCublasLt();
      library = true;
    } catch (error) {
      if (!(error instanceof QkNormError || isQkNormError(error))) throw error;
      library = false;
    }
  }
  return library;
}

function dtypeOf(x: TensorView | null): FloatDtype | null {
  return x && (x.dtype as FloatDtype);
}
