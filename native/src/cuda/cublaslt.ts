import { requireBinding } from "../loader.ts";
import { type CudaFailure, cudaError, driverMajor, list, tryEach } from "./driver.ts";
import { cublasLtCandidates, type TriedPath } from "./library-paths.ts";

export interface CublasLtLibrary {
  readonly path: string;
  /** `"13.0"` */
  readonly version: string;
  /** What was passed over before `path`; empty when another thread had opened it. */
  readonly tried: readonly TriedPath[];
}

let outcome: CublasLtLibrary | CudaFailure | undefined;

/**
 * Opens cuBLASLt, once per thread: `QKNORM_LIBCUBLASLT` alone (`off`: none), else where NVRTC is looked for. One that is
 * newer than what the driver runs is passed over.
 *
 * Throws `ERR_CUDA` with every path tried, the same error at every call; `ERR_NATIVE` without the addon.
 */
export function openCublasLt(): CublasLtLibrary {
  const binding = requireBinding();
  outcome ??= open();
  if (outcome instanceof Error) throw outcome;
  return outcome;

  function open(): CublasLtLibrary | CudaFailure {
    const newest = driverMajor();
    const { opened, tried } = tryEach(cublasLtCandidates(), (path) => binding.cublasLtOpen(path, newest));
    const library = binding.cublasLtLibrary();
    if (opened && library !== null) return { ...library, tried };
    return cudaError(
      "ERR_CUDA",
      `no usable cuBLASLt, which multiplies large matrices; tried ${list(tried)}`,
      tried,
    );
  }
}
