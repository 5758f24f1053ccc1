import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";

/** One run of a program, from its start to its end. */
export interface Measured {
  readonly seconds: number;
  /** The largest resident set it had, in MB; undefined where the system has no /proc. */
  readonly peakMB: number | undefined;
  /** Processor time of all its threads, user and system, to a few milliseconds; undefined where the system has no /proc. */
  readonly processorSeconds: number | undefined;
  readonly stdout: string;
}

/** Runs a program alone and measures it from outside. Throws when it fails. */
export async function measure(command: string, args: readonly string[]): Promise<Measured> {
  const started = performance.now();
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  let peakMB: number | undefined;
  let processorSeconds: number | undefined;
  const watch = setInterval(() => {
    peakMB = peakOf(child.pid!) ?? peakMB;
    processorSeconds = processorOf(child.pid!) ?? processorSeconds;
  }, 5);
  const chunks: Buffer[] = [];
  child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  const seconds = (performance.now() - started) / 1000;
  clearInterval(watch);
  if (code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${code}`);
  return { seconds, peakMB, processorSeconds, stdout: Buffer.concat(chunks).toString() };
}

/** The kernel keeps the peak itself, so that looking now and then is enough. */
function peakOf(pid: number): number | undefined {
  try {
    const [, kilobytes] = /VmHWM:\s*(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    return kilobytes === undefined ? undefined : Number(kilobytes) / 1000;
  } catch {
    return undefined;
  }
}

/** Fields 14 and 15 of its `stat`, in hundredths of a second; the second field, its name, may hold spaces. */
function processorOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const ticks = Number(fields[11]) + Number(fields[12]);
    return ticks > 0 ? ticks / 100 : undefined;
  } catch {
    return undefined;
  }
}
