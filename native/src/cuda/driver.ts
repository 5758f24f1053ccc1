import { QkNormError, type QkNormErrorCode } from "@qknorm/core";
import { requireBinding } from "../loader.ts";
import { driverCandidates, type LibraryCandidate, type TriedPath } from "./library-paths.ts";

/** An `Error` of the driver or of NVRTC. */
export interface CudaFailure extends Error {
  readonly code: string;
  /** The function that failed, `cuMemAllocAsync`, and what it returned, `CUDA_ERROR_OUT_OF_MEMORY`. */
  readonly api?: string;
  readonly status?: string;
  /** For a library that was not found: each path, in order, with the reason it was passed over. */
  readonly tried?: readonly TriedPath[];
}

export interface CudaDriver {
  readonly path: string;
  /** The newest CUDA it runs: `"12.4"`. */
  readonly version: string;
  /** 0 on a machine with a driver and no device. */
  readonly devices: number;
  /** What was passed over before `path`; empty when another thread had opened it. */
  readonly tried: readonly TriedPath[];
}

let outcome: CudaDriver | CudaFailure | undefined;

/**
 * Opens libcuda, once per thread: `QKNORM_LIBCUDA` alone, else already loaded, `libcuda.so.1`, the usual folders.
 * `QKNORM_CUDA=off` goes without.
 *
 * Throws `ERR_CUDA` with every path tried, the same error at every call; `ERR_NATIVE` without the addon.
 */
export function openCuda(): CudaDriver {
  const binding = requireBinding();
  outcome ??= open();
  if (outcome instanceof Error) throw outcome;
  return outcome;

  function open(): CudaDriver | CudaFailure {
    if (process.env.QKNORM_CUDA === "off") return cudaError("ERR_CUDA", "QKNORM_CUDA=off switches CUDA off");
    const { opened, tried } = tryEach(driverCandidates(), (path) => binding.cudaOpen(path));
    const driver = binding.cudaDriver();
    if (!opened || driver === null) {
      return cudaError("ERR_CUDA", `no usable CUDA driver; tried ${list(tried)}`, tried);
    }
    const { path, version, devices } = driver;
    return {
      path,
      version: `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`,
      devices,
      tried,
    };
  }
}

/** The newest CUDA that the driver runs cubins of; 0 without a driver, for whose lack others throw. */
export function driverMajor(): number {
  try {
    return Number.parseInt(openCuda().version, 10);
  } catch {
    return 0;
  }
}

/** Opens the first candidate that `open` takes; it answers with `null`, or why it refuses. */
export function tryEach(
  candidates: readonly LibraryCandidate[],
  open: (path: string) => string | null,
): { readonly opened: boolean; readonly tried: readonly TriedPath[] } {
  const binding = requireBinding();
  const tried: TriedPath[] = [];
  for (const { path, loadedOnly, first, reason: known } of candidates) {
    if (known !== undefined) {
      tried.push({ path, reason: known });
    } else if (loadedOnly && !binding.isLibraryLoaded(path)) {
      tried.push({ path, reason: "not loaded yet" });
    } else {
      for (const other of first ?? []) {
        const reason = binding.loadLibrary(other);
        if (reason !== null) tried.push({ path: other, reason });
      }
      const reason = open(path);
      if (reason === null) return { opened: true, tried };
      tried.push({ path, reason });
    }
  }
  return { opened: false, tried };
}

export function cudaError(code: QkNormErrorCode, message: string, tried?: readonly TriedPath[]): CudaFailure {
  return Object.assign(new QkNormError(code, message), tried === undefined ? {} : { tried });
}

/** `libcuda.so.1: not loaded yet; ...` */
export function list(tried: readonly TriedPath[]): string {
  // The system's own reasons start with the path.
  return tried
    .map(({ path, reason }) => (reason.startsWith(path) ? reason : `${path}: ${reason}`))
    .join("; ");
}
