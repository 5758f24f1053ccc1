import { isQkNormError } from "@qknorm/core";
import { CudaDecodeSteps, type CudaKernels, CudaMemory, type CudaStream } from "@qknorm/native/cuda";
import { cudaKernels } from "./device-state.ts";
import type { Joinable } from "./joinable.ts";
import { JoinedRun } from "./joined-run.ts";
import { launchSumAndNorm } from "./joined-sum.ts";

// What captures would have had, had it been loaded.
const missed: (() => void)[] = [];

/** Loads what captures of this thread were without since this was called last; whether another capture would have it. */
export function loadMissed(): boolean {
  let loaded = false;
  for (const load of missed.splice(0)) {
    try {
      load();
      loaded = true;
    } catch (error) {
      tell(error);
    }
  }
  return loaded;
}

const told = new Set<string>();

/** Warns, once, that a kernel cannot be made: its ops run one by one. Throws what is no reason for that. */
function tell(error: unknown): void {
  if (!isQkNormError(error) || !["ERR_NVRTC", "ERR_CUDA"].includes(error.code)) throw error;
  const message = `ops of a decoder's step run one by one, since their kernel cannot be made: ${error.message}`;
  if (!told.has(message)) process.emitWarning(message, { code: "QKNORM_JIT" });
  told.add(message);
}

/** Queues ops in their order: those that fit one another in one launch, the others by themselves. */
export function launchJoined(ordinal: number, stream: CudaStream, ops: readonly Joinable[]): void {
  const kernels = cudaKernels(ordinal);
  for (let at = 0; at < ops.length; ) {
    const [one, next] = [ops[at]?.step, ops[at + 1]?.step];
    if (one?.kind === "sum" && next?.kind === "norm of the sum") {
      const load = launchSumAndNorm(kernels, stream, next);
      if (load === null) {
        at += 2;
        continue;
      }
      missed.push(load);
    }
    const run = new JoinedRun(kernels);
    const taken = run.take(ops, at);
    const packed = taken === 0 || !run.isFaster ? null : packedRun(kernels, run);
    if (packed === null) {
      for (const end = at + Math.max(1, taken); at < end; at++) (ops[at] as Joinable).run(stream);
      continue;
    }
    const own = new CudaMemory(stream, packed.bytes, "zeros");
    try {
      packed.run(stream, own);
    } finally {
      own.free();
    }
    at += taken;
  }
}

/** The launch of a run; null where its kernel cannot be made, or was not loaded before a capture. */
function packedRun(kernels: CudaKernels, run: JoinedRun): CudaDecodeSteps | null {
  try {
    return run.pack();
  } catch (error) {
    if (!isQkNormError(error) || error.code !== "ERR_QKNORM_SCOPE") tell(error);
    else missed.push(() => CudaDecodeSteps.load(kernels, run.form));
    return null;
  }
}
