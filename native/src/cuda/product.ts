import type { FloatDtype } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { dtypeNumbers } from "../numbers.ts";
import { requireFields } from "./call-arguments.ts";
import { openCublasLt } from "./cublaslt.ts";
import type { CudaMemory } from "./memory.ts";
import { CudaResource, type CudaStream } from "./stream.ts";

/**
 * `out [rows, outputs] = x [rows, inputs] * weight [outputs, inputs]^T + bias [outputs] + added [rows, outputs]`, all of one
 * dtype, accumulated in f32 and rounded once. Strides are elements between rows.
 */
export interface ProductShape {
  readonly dtype: FloatDtype;
  readonly rows: number;
  readonly outputs: number;
  readonly inputs: number;
  readonly xStride: number;
  readonly weightStride: number;
  readonly outStride: number;
  /** Of what is added; `null`: nothing is. */
  readonly addedStride: number | null;
  readonly bias: boolean;
  /** Bytes that every address is a multiple of. */
  readonly alignment: number;
}

/** Bytes of a memory. */
export interface ByteRange {
  readonly memory: CudaMemory;
  readonly offset: number;
  readonly length: number;
}

export interface ProductOperands {
  readonly x: ByteRange;
  readonly weight: ByteRange;
  readonly out: ByteRange;
  readonly bias?: ByteRange | null;
  readonly added?: ByteRange | null;
}

/**
 * How cuBLASLt computes the products of one shape on a device: asked once, run many times. f32 is not cut to TF32.
 *
 * Throws `ERR_CUDA` (no cuBLASLt, or none of its ways fits), `ERR_QKNORM_SCOPE` (this thread captures a graph, and the
 * library does not plan meanwhile: run it once before), `ERR_QKNORM_ARGUMENT`, `ERR_NATIVE`.
 */
export class CudaProduct extends CudaResource {
  readonly #operands = new Float64Array(15);

  constructor(device: number, shape: ProductShape) {
    requireFields(shape, "the shape of a product");
    openCublasLt();
    const { rows, outputs, inputs, xStride, weightStride, outStride, addedStride, bias, alignment } = shape;
    super(
      requireBinding().cudaProductPlan(
        device,
        Float64Array.of(
          ...[dtypeNumbers[shape.dtype], rows, outputs, inputs],
          ...[xStride, weightStride, addedStride ?? 0, outStride],
          ...[bias ? 1 : 0, addedStride === null ? 0 : 1, alignment],
        ),
      ),
    );
  }

  /**
   * Queues the product. Throws before that: `ERR_QKNORM_LAYOUT` (a range that is too short, or not inside of its memory),
   * `ERR_QKNORM_DEVICE`, `ERR_QKNORM_ARGUMENT` (memory or a stream that was freed), `ERR_CUDA`.
   */
  run(stream: CudaStream, { x, weight, bias, added, out }: ProductOperands): void {
    for (const [i, range] of [x, weight, bias, added, out].entries()) {
      this.#operands.set(range ? [range.memory.handle, range.offset, range.length] : [0, 0, 0], 3 * i);
    }
    requireBinding().cudaProduct(this.handle, stream.handle, this.#operands);
  }
}
