import { QkNormError } from "@qknorm/core";
import { loadNativeKernels } from "#cpu-native";
import type { Backend, FusedQkNorm, Memory, Ops, TensorView } from "../../backend.ts";
import { copyElements } from "../../copy.ts";
import { allocate, type Dtype, type HostArray } from "../../dtype.ts";
import { shown } from "../../strides.ts";
import type { CpuKernels } from "./kernels.ts";
import { CpuMemory, dataOf } from "./memory.ts";
import { typescriptKernels } from "./typescript/kernels.ts";

/** `auto`: native if it loads, otherwise TypeScript. */
export type KernelChoice = "auto" | "native" | "typescript";

/** Which kernels run, and why not the fast ones if they do not. */
export interface KernelStatus {
  readonly running: string;
  /** Why native kernels do not run; `null` when they do. */
  readonly reason: string | null;
  /** What would bring them, as this code came here: cloned, installed or bundled; `null` where nothing would, or is to. */
  readonly remedy: string | null;
}

/** Bytes from which memory may gain by larger pages: two of 2 MiB. */
const LARGE = 2 ** 22;

let choice: KernelChoice = "auto";

/** The kernels that the CPU runs on now. */
export function kernelsInUse(): CpuKernels {
  if (choice === "typescript") return typescriptKernels;
  return loadNativeKernels().kernels ?? typescriptKernels;
}

/**
 * Chooses the kernels of this thread's CPU and returns the former choice. Throws `ERR_NATIVE` when `native` is asked for
 * and the addon does not load; `auto` never throws.
 */
export function useKernels(next: KernelChoice): KernelChoice {
  if (!["auto", "native", "typescript"].includes(next)) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `kernels must be auto, native or typescript, got ${typeof next === "string" ? JSON.stringify(next) : shown(next)}`,
    );
  }
  if (next === "native") {
    const { kernels: native, reason } = loadNativeKernels();
    if (native === null)
      throw new QkNormError("ERR_NATIVE", `the native kernels are not available: ${reason}`);
  }
  const former = choice;
  choice = next;
  return former;
}

/** What runs and why. */
export function kernelStatus(): KernelStatus {
  const running = kernelsInUse().name;
  if (choice === "typescript") return { running, reason: "TypeScript kernels were asked for", remedy: null };
  const { reason, remedy } = loadNativeKernels();
  return { running, reason, remedy };
}

/** What makes the CPU faster, for who did not choose TypeScript kernels and has them; `null` for everybody else. */
export function fasterKernels(): string | null {
  const { reason, remedy } = kernelStatus();
  if (remedy === null) return null;
  return `plain TypeScript kernels, many times slower than native ones: ${reason}; ${remedy}`;
}

/** The CPU: native kernels where the addon loads, otherwise TypeScript. What is queued has run when a call returns. */
class CpuBackend implements Backend {
  readonly device = "cpu";
  readonly capture = null;
  readonly liveBytes = null;
  readonly freeBytes = null;
  readonly closed = false;

  get ops(): Partial<Ops> {
    return kernelsInUse().ops;
  }

  get qkNorm(): FusedQkNorm {
    return kernelsInUse().qkNorm;
  }

  describe(): string {
    return kernelsInUse().name;
  }

  allocate(dtype: Dtype, elements: number): Memory {
    const data = allocate(dtype, elements);
    if (data.byteLength >= LARGE) kernelsInUse().prepare?.(data);
    return new CpuMemory(this, data);
  }

  clear(memory: Memory): void {
    memory.data?.fill(0);
  }

  write(memory: Memory, offset: number, array: HostArray): void {
    const data = dataOf({ memory });
    data.set(array, offset / data.BYTES_PER_ELEMENT);
  }

  copy(source: TensorView, target: TensorView): void {
    copyElements({ ...source, data: dataOf(source) }, { ...target, data: dataOf(target) });
  }

  async read(memory: Memory, offset: number, into: HostArray): Promise<void> {
    this.readNow(memory, offset, into);
  }

  readNow(memory: Memory, offset: number, into: HostArray): void {
    const data = dataOf({ memory });
    const first = offset / data.BYTES_PER_ELEMENT;
    into.set(data.subarray(first, first + into.length));
  }

  close(): void {}
}

export const cpuBackend: Backend = new CpuBackend();
