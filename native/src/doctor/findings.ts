import type { CublasLtLibrary } from "../cuda/cublaslt.ts";
import type { CudaDevice, CudaUsage } from "../cuda/device.ts";
import type { CudaDriver } from "../cuda/driver.ts";
import type { JitState, Rung } from "../cuda/jit-state.ts";
import type { TriedPath } from "../cuda/library-paths.ts";
import type { NvrtcLibrary } from "../cuda/nvrtc.ts";
import type { BlasInfo } from "../linear.ts";
import type { CpuIsa } from "../numbers.ts";
import type { CudaRuns } from "./cuda-runs.ts";
import type { Versions } from "./versions.ts";

/** Why something is not there, and for a library each path that was tried. */
export interface Absence {
  readonly reason: string;
  readonly tried?: readonly TriedPath[];
}

export interface CpuFindings {
  readonly isa: CpuIsa;
  readonly isas: readonly CpuIsa[];
  /** Whether `QKNORM_CPU_ISA` chose it. */
  readonly forced: boolean;
  readonly threads: number;
  readonly openBlas: BlasInfo;
}

export interface DeviceFindings extends CudaDevice, CudaUsage {
  /** What its kernels come from. */
  readonly rung: Rung;
  readonly runs: CudaRuns;
}

export interface Provider {
  /** As `explainQkNorm` and `planQkNorm` name it. */
  readonly name: "cuda" | "cpu-native" | "cpu-typescript";
  /** Its libraries and its hardware are here and answer. */
  readonly ready: boolean;
  /** What it stands on, or what it lacks. */
  readonly because: string;
}

/** How long the call of `timedCall` took by a provider that is ready. */
export type Speed = { readonly provider: string } & ({ readonly microseconds: number } | Absence);

/** All that decides what runs here and how fast. */
export interface Findings {
  readonly versions: Versions;
  readonly node: string;
  readonly platform: string;
  readonly addon: { readonly path: string } | (Absence & { readonly remedy: string });
  readonly cpu: CpuFindings | Absence;
  readonly driver: CudaDriver | Absence;
  readonly devices: readonly (DeviceFindings | (Absence & { readonly ordinal: number }))[];
  readonly nvrtc: NvrtcLibrary | Absence;
  readonly cublasLt: CublasLtLibrary | Absence;
  readonly jit: JitState | Absence;
  /** Fastest first. */
  readonly providers: readonly Provider[];
  /** Of the native ones that are ready, in their order. */
  readonly speed: readonly Speed[];
}
