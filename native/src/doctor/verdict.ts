import type { Absence, Findings, Provider } from "./findings.ts";
import { timedCall } from "./speed.ts";

/** What a reader wants to know before anything else. */
export interface Verdict {
  /** The fastest provider that is ready. */
  readonly provider: Provider["name"];
  /** What will run, in one sentence. */
  readonly runs: string;
  /** How fast, in one sentence. */
  readonly speed: string;
  /** What to do, most useful first; empty where nothing is missing that would help here. */
  readonly next: readonly string[];
}

export function verdictOf(findings: Findings): Verdict {
  const provider = (findings.providers.find(({ ready }) => ready) as Provider).name;
  return { provider, runs: runsOf(findings, provider), speed: speedOf(findings), next: nextOf(findings) };
}

/** What to do to have a provider that is not ready, whether or not this machine has what it takes; never empty. */
export function stepsTo(name: Provider["name"], findings: Findings): readonly string[] {
  const { addon } = findings;
  if ("reason" in addon) return [addon.remedy];
  return name === "cuda" ? stepsToCuda(findings) : nextOf(findings);
}

function stepsToCuda(findings: Findings): string[] {
  const { driver, devices } = findings;
  if ("reason" in driver) {
    if (driver.reason.startsWith("QKNORM_CUDA=off")) return ["let go of QKNORM_CUDA=off"];
    return ["install an NVIDIA driver, or name its libcuda.so.1 in QKNORM_LIBCUDA"];
  }
  if (devices.length === 0)
    return ["let this process see a GPU: `nvidia-smi` lists them, CUDA_VISIBLE_DEVICES hides them"];
  const usable = devices.some((device) => "memoryPools" in device && device.memoryPools);
  return usable ? gpuSteps(findings) : ["mend what is said of the devices below, or use another driver"];
}

function runsOf({ providers, devices }: Findings, name: Provider["name"]): string {
  const because = providers.find((provider) => provider.name === name)?.because;
  if (name === "cpu-typescript") return "Everything runs, on plain TypeScript kernels";
  if (name === "cpu-native") return `Everything runs on the CPU, by native kernels: ${because}`;
  const devicesInWords = devices.flatMap((device) => ("name" in device ? [device.name] : []));
  const whole = devices.some((device) => "runs" in device && device.runs.graphDecode);
  const what = whole ? "Everything runs on the GPU" : "QK norm runs on the GPU, and nothing else of a model";
  return `${what}: ${devicesInWords[0]}, ${because}`;
}

function speedOf({ speed }: Findings): string {
  if (speed.length > 0) {
    const each = speed.map((one) =>
      "reason" in one
        ? `${one.provider} could not be timed: ${one.reason}`
        : `${inWords(one.microseconds)} by ${one.provider}`,
    );
    return `${timedCall}: ${each.join(", ")}`;
  }
  // From the committed results of one call of 1 to 4,096 tokens: packages/tensor/bench/results.
  return "Slow: native kernels are 40 to 250 times as fast as these";
}

function inWords(microseconds: number): string {
  return microseconds < 1000
    ? `${microseconds.toPrecision(3)} us`
    : `${(microseconds / 1000).toPrecision(3)} ms`;
}

function nextOf(findings: Findings): string[] {
  const { addon, cpu, jit, devices } = findings;
  if ("reason" in addon) return [addon.remedy];
  const next = gpuSteps(findings);
  if ("reason" in cpu) return [...next, `mend this: ${cpu.reason}`];
  const best = cpu.isas.at(-1);
  if (cpu.forced && cpu.isa !== best)
    next.push(`let go of QKNORM_CPU_ISA: it forces ${cpu.isa}, and this processor has ${best}`);
  if (devices.length === 0) return next;
  const fault = "reason" in jit ? jit.reason : jit.fault;
  if (fault !== null) next.push(`let kernels be kept, which every process compiles again: ${fault}`);
  return next;
}

// Only where there is a device: who has none is not told to install things for it.
function gpuSteps({ driver, devices, nvrtc, cublasLt }: Findings): string[] {
  if ("reason" in driver || devices.length === 0) return [];
  const major = Number.parseInt(driver.version, 10);
  const steps: string[] = [];
  const fetch = (library: string, variable: string, what: string, found: Absence | object) => {
    if (!("reason" in found)) return;
    const wheel = major >= 13 ? `nvidia-${library}` : `nvidia-${library}-cu${major}`;
    steps.push(`\`pip install ${wheel}\`, or name the file in ${variable}: ${what}`);
  };
  fetch("cuda-nvrtc", "QKNORM_LIBNVRTC", "NVRTC compiles all kernels that are not shipped", nvrtc);
  fetch("cublas", "QKNORM_LIBCUBLASLT", "cuBLASLt reads prompts faster than our own products", cublasLt);
  return steps;
}
