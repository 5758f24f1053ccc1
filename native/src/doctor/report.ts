import type { TriedPath } from "../cuda/library-paths.ts";
import { type CudaRuns, cudaOps } from "./cuda-runs.ts";
import type { Diagnosis } from "./diagnosis.ts";
import type { Absence } from "./findings.ts";
import type { Versions } from "./versions.ts";

const MiB = 2 ** 20;

/** How much of a diagnosis is told: what matters, or each path that was tried as well. */
export type Detail = "short" | "verbose";

/** The diagnosis for a person to read, the verdict first. `required`: steps to what was asked for and is not ready. */
export function report(diagnosis: Diagnosis, detail: Detail, required: readonly string[] = []): string {
  const { verdict, providers, driver, nvrtc, cublasLt } = diagnosis;
  const steps = [...new Set([...required, ...verdict.next])];
  const paths = detail === "verbose" ? triedPaths : () => [];
  const why = reasonsOnce(diagnosis);
  const lines = [
    verdict.runs,
    verdict.speed,
    ...(steps.length === 0 ? ["Nothing more to do here."] : steps.map((step) => `Next: ${step}`)),
    "",
    "Providers, fastest first",
    ...providers.map(({ name, ready, because }) =>
      row(name, ready ? `ready: ${because}` : `not ready: ${why(because)}`),
    ),
    "",
    ...versionLines(diagnosis),
    "",
    ...cpuLines(diagnosis, detail, why),
    "",
    "CUDA",
    row("driver", "reason" in driver ? why(driver.reason) : `${driver.path}, runs CUDA ${driver.version}`),
    ...paths(driver.tried),
    ...deviceLines(diagnosis),
    row("NVRTC", "reason" in nvrtc ? why(nvrtc.reason) : `${nvrtc.path}, version ${nvrtc.version}`),
    ...paths(nvrtc.tried),
    row(
      "cuBLASLt",
      "reason" in cublasLt ? why(cublasLt.reason) : `${cublasLt.path}, version ${cublasLt.version}`,
    ),
    ...paths(cublasLt.tried),
    ...jitLines(diagnosis),
  ];
  return `${lines.join("\n")}\n`;
}

/** Reasons as they are told: why no usable addon stands in its own line alone, however much stands on it. */
function reasonsOnce({ addon }: Diagnosis): (reason: string) => string {
  return (reason) => ("reason" in addon && reason.endsWith(addon.reason) ? "no usable addon" : reason);
}

function versionLines({ node, platform, addon, versions }: Diagnosis): string[] {
  return [
    "Versions",
    row("node", `${node}, ${platform}, Node-API ${versions.nodeApi}`),
    row("packages", packagesInWords(versions)),
    row("addon", "reason" in addon ? `none: ${addon.reason}` : addon.path),
  ];
}

function packagesInWords({ native, core, binding }: Versions): string {
  return `@qknorm/native ${native ?? "of a bundle"}, @qknorm/core ${core ?? "of a bundle"}, binding ${binding}`;
}

function cpuLines({ cpu }: Diagnosis, detail: Detail, why: (reason: string) => string): string[] {
  if ("reason" in cpu) return ["CPU", row("kernels", `none: ${why(cpu.reason)}`)];
  const { library, tried } = cpu.openBlas;
  return [
    "CPU",
    row("instructions", `${cpu.isa}, of ${cpu.isas.join(", ")}`),
    row("threads", String(cpu.threads)),
    row("OpenBLAS", library ?? "none found; not needed"),
    ...(detail === "verbose" ? tried : []).map((reason) => `      ${reason}`),
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
      ...runsInWords(device.runs).map((line) => row("", line)),
    ];
  });
}

function runsInWords({ ops, graphDecode, products, prompts, overlaps }: CudaRuns): string[] {
  if (ops.length === 0) return ["runs nothing"];
  if (!graphDecode) {
    const missing = cudaOps.filter((op) => !ops.includes(op));
    return [`runs ${ops.join(" and ")} in the shipped forms; waits for NVRTC: ${missing.join(", ")}`];
  }
  return [
    `runs all ${ops.length} ops: ${ops.join(", ")}`,
    "decodes by one captured graph a token",
    products === "cuBLASLt"
      ? "reads prompts by cuBLASLt"
      : "reads prompts by gemv.cu, 8 rows at a time, slowly",
    prompts === "tensor cores" ? "attends on tensor cores" : "attends without tensor cores",
    overlaps
      ? "starts a kernel while the one before it ends"
      : "starts a kernel when the one before it has ended",
  ];
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

function triedPaths(tried: readonly TriedPath[] | undefined): string[] {
  return (tried ?? []).map(({ path, reason }) =>
    reason.startsWith(path) ? `      ${reason}` : `      ${path}: ${reason}`,
  );
}

function row(name: string, text: string): string {
  return `  ${name.padEnd(16)}${text}`;
}

function mebibytes(bytes: number): string {
  return `${Math.floor(bytes / MiB)} MiB`;
}
