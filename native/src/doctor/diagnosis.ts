import { openCublasLt } from "../cuda/cublaslt.ts";
import { cudaDevice, cudaUsage } from "../cuda/device.ts";
import { type CudaFailure, openCuda } from "../cuda/driver.ts";
import { Jit } from "../cuda/jit.ts";
import type { Rung } from "../cuda/jit-state.ts";
import { openNvrtc } from "../cuda/nvrtc.ts";
import { environmentVariable } from "../environment.ts";
import { blasInfo, threadCount } from "../linear.ts";
import { loadBinding } from "../loader.ts";
import { availableIsas, cpuIsa } from "../qk-norm.ts";
import { cudaRuns } from "./cuda-runs.ts";
import type { Absence, Findings, Provider, Speed } from "./findings.ts";
import { cpuMicroseconds, cudaMicroseconds } from "./speed.ts";
import { type Verdict, verdictOf } from "./verdict.ts";
import { versions } from "./versions.ts";

/** What was found, and what follows from it. */
export interface Diagnosis extends Findings {
  readonly verdict: Verdict;
}

/**
 * Looks at this machine. Opens the addon, the CUDA driver with its devices, NVRTC, cuBLASLt and OpenBLAS, makes the folder
 * for cubins, and times one call by each native provider. Never throws: what fails is part of the answer.
 */
export function examine(): Diagnosis {
  const loaded = loadBinding();
  const driver = attempt(openCuda);
  const cublasLt = attempt(openCublasLt);
  const jit = attempt(() => new Jit());
  const count = "path" in driver ? driver.devices : 0;
  const devices = Array.from({ length: count }, (_, ordinal) => {
    const found = attempt(() => {
      const device = cudaDevice(ordinal);
      const rung = rungOf(jit, device.arch);
      return { ...device, ...cudaUsage(ordinal), rung, runs: cudaRuns(rung, device.arch, cublasLt) };
    });
    return "reason" in found ? { ordinal, ...found } : found;
  });
  const found = {
    versions: versions(),
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    addon: loaded.binding === null ? absence(loaded) : { path: loaded.path },
    cpu: attempt(() => ({
      isa: cpuIsa(),
      isas: availableIsas(),
      forced: (environmentVariable("QKNORM_CPU_ISA") ?? "") !== "",
      threads: threadCount(),
      openBlas: blasInfo(),
    })),
    driver,
    devices,
    nvrtc: attempt(openNvrtc),
    cublasLt,
    jit: jit instanceof Jit ? attempt(() => jit.state()) : jit,
  };
  const providers = providersOf(found);
  const findings = { ...found, providers, speed: providers.flatMap((one) => speedOf(one, devices)) };
  return { verdict: verdictOf(findings), ...findings };
}

type Found = Omit<Findings, "providers" | "speed">;

function providersOf(findings: Found): Provider[] {
  const { addon, cpu } = findings;
  const lacking = "reason" in addon ? addon.reason : "reason" in cpu ? cpu.reason : null;
  return [
    { name: "cuda", ...cudaReadiness(findings) },
    {
      name: "cpu-native",
      ready: lacking === null,
      because: lacking ?? ("isa" in cpu ? `${cpu.isa} on ${cpu.threads} threads` : ""),
    },
    { name: "cpu-typescript", ready: true, because: "needs nothing; correct and slow" },
  ];
}

function cudaReadiness(findings: Found): Pick<Provider, "ready" | "because"> {
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

function speedOf({ name, ready }: Provider, devices: Findings["devices"]): Speed[] {
  if (!ready || name === "cpu-typescript") return [];
  const usable = devices.find((device) => "rung" in device && device.rung.name !== "none");
  const time = name === "cuda" ? () => cudaMicroseconds(usable?.ordinal ?? 0) : cpuMicroseconds;
  return [{ provider: name, ...attempt(() => ({ microseconds: time() })) }];
}

/** The loader knows how this code came here; where the addon was switched off it has nothing to bring. */
function absence({ reason, remedy }: { readonly reason: string; readonly remedy: string | null }) {
  return { reason, remedy: remedy ?? "let go of QKNORM_NATIVE=off" };
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
