import { isQkNormError, QkNormError } from "@qknorm/core";
import { cudaUsage } from "@qknorm/native/cuda";
import type {
  Backend,
  CapturedGraph,
  FileRange,
  FusedQkNorm,
  Memory,
  Ops,
  QueueMark,
  TensorView,
} from "../../backend.ts";
import type { CudaDeviceName } from "../../device.ts";
import { bytesOf, type Dtype, type HostArray } from "../../dtype.ts";
import { add } from "./add.ts";
import { addNormalize } from "./add-normalize.ts";
import { attention, pagedAttention } from "./attention.ts";
import { causalConv } from "./causal-conv.ts";
import { convert } from "./convert.ts";
import { copy } from "./copy.ts";
import { cudaKernels, cudaStream } from "./device-state.ts";
import { gatedDeltaRule } from "./gated-delta-rule.ts";
import { gatherRows } from "./gather-rows.ts";
import { captureGraph } from "./graph.ts";
import { likeliest } from "./likeliest.ts";
import { linear, project } from "./linear.ts";
import { DeviceMemory, memoryOf, unsettle } from "./memory.ts";
import { moe } from "./moe.ts";
import { mul } from "./mul.ts";
import { normalize } from "./normalize.ts";
import { pointwise } from "./pointwise.ts";
import { together } from "./postponed.ts";
import { cudaQkNorm } from "./qk-norm.ts";
import { CudaQueueMark } from "./queue-mark.ts";
import { rope } from "./rope.ts";
import { route } from "./route.ts";
import { sample } from "./sample.ts";
import { siluMul } from "./silu-mul.ts";
import { writeCache } from "./write-cache.ts";
import { xielu } from "./xielu.ts";

/**
 * A CUDA device. Work is queued on its current stream; `readNow` waits for it.
 *
 * Throws `ERR_CUDA` without a driver, `ERR_QKNORM_DEVICE` when there is no such device, `ERR_NATIVE` without the addon.
 */
export function openCudaBackend(ordinal: number): Backend {
  cudaStream(ordinal);
  return new CudaBackend(ordinal);
}

class CudaBackend implements Backend {
  readonly device: CudaDeviceName;
  readonly ops: Partial<Ops> = {
    attention,
    pagedAttention,
    writeCache,
    linear,
    project,
    normalize,
    addNormalize,
    rope,
    siluMul,
    pointwise,
    xielu,
    mul,
    add,
    route,
    moe,
    causalConv,
    gatedDeltaRule,
    gatherRows,
    likeliest,
    sample,
    convert,
  };
  readonly qkNorm: FusedQkNorm = cudaQkNorm;
  readonly #ordinal: number;
  #closed = false;

  constructor(ordinal: number) {
    this.device = `cuda:${ordinal}`;
    this.#ordinal = ordinal;
  }

  get closed(): boolean {
    return this.#closed;
  }

  describe(): string {
    const { name, arch } = cudaKernels(this.#ordinal).device;
    return `${name}, ${arch}`;
  }

  allocate(dtype: Dtype, elements: number, what: () => string): Memory {
    this.#assertOpen();
    try {
      return new DeviceMemory(this, this.#ordinal, elements * bytesOf[dtype]);
    } catch (error) {
      if (!isQkNormError(error)) throw error;
      throw new QkNormError(error.code, `cannot allocate ${what()} on ${this.device}: ${error.message}`, {
        cause: error,
      });
    }
  }

  clear(memory: Memory): void {
    unsettle(memory);
    memoryOf({ memory }).fill(0, cudaStream(this.#ordinal));
  }

  write(memory: Memory, offset: number, array: HostArray): void {
    unsettle(memory);
    memoryOf({ memory }).upload(array, cudaStream(this.#ordinal), offset);
  }

  writeFile(memory: Memory, offset: number, file: FileRange): number {
    unsettle(memory);
    return memoryOf({ memory }).uploadFile(file, cudaStream(this.#ordinal), offset);
  }

  copy(source: TensorView, target: TensorView): void {
    unsettle(target.memory);
    copy(source, target);
  }

  mark(): QueueMark {
    this.#assertOpen();
    return new CudaQueueMark(this.#ordinal);
  }

  settle(memories: readonly Memory[]): void {
    cudaStream(this.#ordinal).synchronize();
    for (const memory of memories) (memory as DeviceMemory).settled = true;
  }

  async read(memory: Memory, offset: number, into: HostArray): Promise<void> {
    this.readNow(memory, offset, into);
  }

  readNow(memory: Memory, offset: number, into: HostArray): void {
    memoryOf({ memory }).download(into, cudaStream(this.#ordinal), offset);
  }

  readonly capture = (work: () => unknown): CapturedGraph => {
    this.#assertOpen();
    return captureGraph(this.#ordinal, work);
  };

  readonly freeBytes = (): number => {
    // What was freed is free once the work in front of it has run.
    cudaStream(this.#ordinal).synchronize();
    const { freeBytes, budget, liveBytes } = cudaUsage(this.#ordinal);
    return budget === 0 ? freeBytes : Math.min(freeBytes, Math.max(0, budget - liveBytes));
  };

  together<T>(work: () => T): T {
    this.#assertOpen();
    return together(this.#ordinal, work);
  }

  readonly liveBytes = (): number => cudaUsage(this.#ordinal).liveBytes;

  close(): void {
    this.#closed = true;
  }

  #assertOpen(): void {
    if (this.#closed) throw new QkNormError("ERR_QKNORM_DEVICE", `${this.device} was closed`);
  }
}
