import { requireBinding } from "../loader.ts";
import { openCuda } from "./driver.ts";

export interface CudaDevice {
  readonly ordinal: number;
  readonly name: string;
  /** `sm_90`: what kernels are compiled for. */
  readonly arch: string;
  readonly multiprocessors: number;
  readonly l2Bytes: number;
  /** The most dynamic shared memory of a block. */
  readonly sharedBytesPerBlock: number;
  readonly bytes: number;
  /** Without pools there is no stream-ordered memory, and no `CudaMemory`. */
  readonly memoryPools: boolean;
}

/**
 * A device; its primary context is made on first use and shared by all threads.
 *
 * Throws `ERR_CUDA` (no driver, or a call that failed), `ERR_QKNORM_DEVICE` (no such ordinal), `ERR_NATIVE`.
 */
export function cudaDevice(ordinal: number): CudaDevice {
  openCuda();
  const { capability, ...rest } = requireBinding().cudaDevice(ordinal);
  return { ordinal, arch: `sm_${capability}`, ...rest };
}

export interface CudaUsage {
  /** What `CudaMemory` holds, memory that a graph still keeps included. */
  readonly liveBytes: number;
  /** The most that `liveBytes` may reach; 0 is no limit. */
  readonly budget: number;
  /** What an allocation may still get: free for all processes, or freed here and held by the pool. */
  readonly freeBytes: number;
}

/** Throws as `cudaDevice` does. */
export function cudaUsage(ordinal: number): CudaUsage {
  openCuda();
  return requireBinding().cudaUsage(ordinal);
}

/**
 * Bounds `liveBytes` of a device, for all threads. What is live already stays, even above the budget.
 * Throws as `cudaDevice` does, and `ERR_QKNORM_ARGUMENT` unless `bytes` is an integer from 0 up.
 */
export function setCudaBudget(ordinal: number, bytes: number): void {
  openCuda();
  requireBinding().cudaSetBudget(ordinal, bytes);
}
