import { requireBinding } from "../loader.ts";
import { type CudaFailure, cudaError, driverMajor, list, tryEach } from "./driver.ts";
import { nvrtcCandidates, type TriedPath } from "./library-paths.ts";

export interface NvrtcLibrary {
  readonly path: string;
  /** `"13.0"` */
  readonly version: string;
  /** What was passed over before `path`; empty when another thread had opened it. */
  readonly tried: readonly TriedPath[];
}

let outcome: NvrtcLibrary | CudaFailure | undefined;

/**
 * Opens NVRTC, once per thread: `QKNORM_LIBNVRTC` alone, else already loaded, Python's site-packages, conda, by its
 * name, `CUDA_HOME`, toolkit folders. One that is newer than what the driver runs is passed over.
 *
 * Throws `ERR_NVRTC` with every path tried, the same error at every call; `ERR_NATIVE` without the addon.
 */
export function openNvrtc(): NvrtcLibrary {
  const binding = requireBinding();
  outcome ??= open();
  if (outcome instanceof Error) throw outcome;
  return outcome;

  function open(): NvrtcLibrary | CudaFailure {
    const newest = driverMajor(); // 0: any may compile, for other machines
    const { opened, tried } = tryEach(nvrtcCandidates(), (path) => binding.nvrtcOpen(path, newest));
    const library = binding.nvrtcLibrary();
    if (opened && library !== null) return { ...library, tried };
    return cudaError("ERR_NVRTC", `no usable NVRTC, which compiles the kernels; tried ${list(tried)}`, tried);
  }
}
