import { type CublasLtLibrary, openCublasLt } from "./cuda/cublaslt.ts";
import { type CudaDevice, type CudaUsage, cudaDevice, cudaUsage } from "./cuda/device.ts";
import { type CudaDriver, type CudaFailure, openCuda } from "./cuda/driver.ts";
import { Jit } from "./cuda/jit.ts";
import type { JitState, Rung } from "./cuda/jit-state.ts";
import type { TriedPath } from "./cuda/library-paths.ts";
import { type NvrtcLibrary, openNvrtc } from "./cuda/nvrtc.ts";
import { type BlasInfo, blasInfo, threadCount } from "./linear.ts";
import { loadBinding } from "./loader.ts";
import type { CpuIsa } from "./numbers.ts";
import { availableIsas, cpuIsa } from "./qk-norm.ts";

/** Why something is not there, and for a library each path that was tried. */
export interface Absence {
  readonly reason: string;
  readonly tried?: readonly TriedPath[];
}

export interface CpuFindings {
  readonly isa: CpuIsa;
  readonly isas: readonly CpuIsa[];
  readonly threads: number;
  readonly openBlas: BlasInfo;
}

export interface DeviceFindings extends CudaDevice, CudaUsage {
  /** What its kernels come from. */
  readonly rung: Rung;
}

export interface Provider {
  readonly name: "cuda" | "cpu" | "typescript";
  /** Its libraries and its hardware are here and answer. */
  readonly ready: boolean;
  /** What it stands on, or what it lacks. */
  readonly because: string;
}

/** All that decides what runs here and how fast. */
export interface Diagnosis {
  readonly node: string;
  readonly platform: string;
  readonly addon: { readonly path: string } | Absence;
  readonly cpu: CpuFindings | Absence;
  readonly driver: CudaDriver | Absence;
  readonly devices: readonly (DeviceFindings | (Absence & { readonly ordinal: number }))[];
  readonly nvrtc: NvrtcLibrary | Absence;
  readonly cublasLt: CublasLtLibrary | Absence;
  readonly jit: JitState | Absence;
  /** Fastest first. */
  readonly providers: readonly Provider[];
}

/**
 * Looks at this machine. Opens the addon, the CUDA driver with its devices, NVRTC, cuBLASLt and OpenBLAS, and makes the folder
 * for cubins. Never throws: what fails is part of the answer.
 */
export function examine(): Diagnosis {
  const loaded = loadBinding();
  const driver = attempt(openCuda);
  const jit = attempt(() => new Jit());
  const count = "path" in driver ? driver.devices : 0;
  const devices = Array.from({ length: count }, (_, ordinal) => {
    const found = attempt(() => {
      const device = cudaDevice(ordinal);
      return { ...device, ...cudaUsage(ordinal), rung: rungOf(jit, device.arch) };
    });
    return "reason" in found ? { ordinal, ...found } : found;
  });
  const findings = {
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    addon: loaded.binding === null ? { reason: loaded.reason } : { path: loaded.path },
    cpu: attempt(() => ({
      isa: cpuIsa(),
      isas: availableIsas(),
      threads: threadCount(),
      openBlas: blasInfo(),
    })),
    driver,
    devices,
    nvrtc: attempt(openNvrtc),
    cublasLt: attempt(openCublasLt),
    jit: jit instanceof Jit ? attempt(() => jit.state()) : jit,
  };
  return { ...findings, providers: providersOf(findings) };
}

function providersOf(findings: Omit<Diagnosis, "providers">): Provider[] {
  const { addon, cpu } = findings;
  const lacking = "reason" in addon ? addon.reason : "reason" in cpu ? cpu.reason : null;
  return [
    { name: "cuda", ...cudaReadiness(findings) },
    {
      name: "cpu",
      ready: lacking === null,
      because: lacking ?? ("isa" in cpu ? `${cpu.isa} on ${cpu.threads} threads` : ""),
    },
    { name: "typescript", ready: true, because: "needs nothing; correct and slow" },
  ];
}

function cudaReadiness(findings: Omit<Diagnosis, "providers">): Pick<Provider, "ready" | "because"> {
  const { driver, devices } = findings;
  if ("reason" in driver) return { ready: false, because: headOf(driver.reason) };
  if (devices.length === 0) return { ready: false, because: "the driver shows no device" };
  const usable = devices.filter((device) => "arch" in device).filter((device) => device.memoryPools);
  const [first] = devices;
  if (usable.length === 0) {
    const why =
      first !== undefined && "reason" in first ? first.reason : "no device has stream-ordered memory";
    return { ready: false, because: why };
  }
  const standing = usable.filter((device) => device.rung.name !== "none");
  const [best = usable[0]] = standing;
  const on = standing.map(({ ordinal }) => `cuda:${ordinal}, `).join("");
  return { ready: standing.length > 0, because: `${on}${best?.rung.because}` };
}

function rungOf(jit: Jit | Absence, arch: string): Rung {
  return jit instanceof Jit ? jit.rung(arch) : { name: "none", because: jit.reason };
}

/** Without the list of paths, which is said elsewhere. */
function headOf(reason: string): string {
  return reason.split("; tried ")[0] ?? reason;
}

function attempt<Found extends object>(look: () => Found): Found | Absence {
  try {
    return look();
  } catch (error) {
    const { message, tried } = error as CudaFailure;
    return tried === undefined ? { reason: message } : { reason: headOf(message), tried };
  }
}
