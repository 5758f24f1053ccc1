import type { TriedPath } from "./cuda/library-paths.ts";
import type { Absence, Diagnosis } from "./doctor.ts";

const MiB = 2 ** 20;

/** The diagnosis for a person to read. */
export function report(diagnosis: Diagnosis): string {
  const { node, platform, addon, driver, nvrtc, cublasLt } = diagnosis;
  const lines = [
    row("node", `${node}, ${platform}`),
    row("addon", "reason" in addon ? `none: ${addon.reason}` : addon.path),
    "",
    ...cpuLines(diagnosis),
    "",
    "CUDA",
    row("driver", "reason" in driver ? driver.reason : `${driver.path}, runs CUDA ${driver.version}`),
    ...paths(driver.tried),
    ...deviceLines(diagnosis),
    row("NVRTC", "reason" in nvrtc ? nvrtc.reason : `${nvrtc.path}, version ${nvrtc.version}`),
    ...paths(nvrtc.tried),
    row("cuBLASLt", "reason" in cublasLt ? cublasLt.reason : `${cublasLt.path}, version ${cublasLt.version}`),
    ...paths(cublasLt.tried),
    ...jitLines(diagnosis),
    "",
    "Providers, fastest first",
    ...diagnosis.providers.map(({ name, ready, because }) =>
      row(name, `${ready ? "ready" : "not ready"}: ${because}`),
    ),
  ];
  return `${lines.join("\n")}\n`;
}

function cpuLines({ cpu }: Diagnosis): string[] {
  if ("reason" in cpu) return ["CPU", row("kernels", `none: ${cpu.reason}`)];
  const { library, tried } = cpu.openBlas;
  return [
    "CPU",
    row("instructions", `${cpu.isa}, of ${cpu.isas.join(", ")}`),
    row("threads", String(cpu.threads)),
    row("OpenBLAS", library ?? "none found; not needed"),
    ...tried.map((reason) => `      ${reason}`),
  ];
}

function deviceLines({ devices, driver }: Diagnosis): string[] {
  if (devices.length === 0) return "reason" in driver ? [] : [row("devices", "none")];
  return devices.flatMap((device) => {
    const name = `cuda:${device.ordinal}`;
    if ("reason" in device) return row(name, device.reason);
    const { multiprocessors, arch, bytes, freeBytes, memoryPools } = device;
    const memory = `${mebibytes(freeBytes)} of ${mebibytes(bytes)} free`;
    const pools = memoryPools ? "" : ", no stream-ordered memory";
    return [
      row(name, `${device.name}, ${arch}, ${multiprocessors} multiprocessors, ${memory}${pools}`),
      row("", `rung ${device.rung.name}: ${device.rung.because}`),
    ];
  });
}

function jitLines({ jit }: Diagnosis): string[] {
  if ("reason" in jit) return [row("cubins", absence(jit))];
  const { folder, fault, stored, seeds } = jit;
  const count = `${stored.entries} kernels, ${Math.ceil(stored.bytes / 1024)} KiB`;
  const kept = fault === null ? `${folder}: ${count}` : `in memory only; ${folder ?? "the folder"}: ${fault}`;
  return [
    row("cubins", kept),
    ...seeds.map(({ folder: seed, entries }) => row("seed", `${seed}: ${entries} kernels`)),
  ];
}

function absence({ reason }: Absence): string {
  return `none: ${reason}`;
}

function paths(tried: readonly TriedPath[] | undefined): string[] {
  return (tried ?? []).map(({ path, reason }) =>
    reason.startsWith(path) ? `      ${reason}` : `      ${path}: ${reason}`,
  );
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(14)}${text}`;
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / MiB)} MiB`;
}
