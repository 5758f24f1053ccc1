// A device as WebGPU will be: nobody but the device reads its memory, and nobody can wait for it. Work is queued and runs
// when a result is awaited, on the TypeScript kernels. What runs here unchanged knows no device.
import type { Backend, FusedQkNorm, Memory, Ops, TensorView } from "../src/backend.ts";
import { cpuBackend } from "../src/backends/cpu/backend.ts";
import { CpuMemory } from "../src/backends/cpu/memory.ts";
import { typescriptKernels } from "../src/backends/cpu/typescript/kernels.ts";
import { eachRun } from "../src/copy.ts";
import type { Device } from "../src/device.ts";
import { backendOf } from "../src/devices.ts";
import { allocate, bytesOf, type Dtype, type HostArray } from "../src/dtype.ts";
import { Indices } from "../src/indices.ts";
import { useBackend } from "../src/open-device.ts";
import { hold, release } from "../src/scope.ts";

/** The only device of its kind; the type knows it as little as the code does. */
export const awaitedDevice = "awaited:0" as Device;

class AwaitedMemory implements Memory {
  readonly backend: AwaitedBackend;
  readonly region = this;
  readonly start = 0;
  readonly data = null;
  readonly #hidden: CpuMemory;
  freed = false;

  constructor(backend: AwaitedBackend, array: HostArray) {
    this.backend = backend;
    this.#hidden = new CpuMemory(cpuBackend, array);
    hold(this);
  }

  /** For the device's own eyes, and never after it was freed. */
  get hidden(): CpuMemory {
    if (this.freed) throw new Error("memory of the device is used after it was freed");
    return this.#hidden;
  }

  capacity(dtype: Dtype): number {
    return this.freed ? 0 : Math.floor(this.#hidden.data.byteLength / bytesOf[dtype]);
  }

  free(): void {
    if (this.freed) return;
    release(this);
    this.backend.queue(() => {
      this.freed = true;
      this.backend.live -= 1;
    });
    // Queued work still runs on it; nothing new may.
    this.capacity = () => 0;
  }
}

class AwaitedBackend implements Backend {
  readonly device = awaitedDevice;
  readonly capture = null;
  readonly liveBytes = null;
  readonly freeBytes = null;
  readonly closed = false;
  readonly ops: Partial<Ops>;
  readonly qkNorm: FusedQkNorm;
  /** Memories that nobody has freed, and how often work was run. */
  live = 0;
  turns = 0;
  #queued: (() => void)[] = [];

  constructor() {
    const names = Object.keys(typescriptKernels.ops) as (keyof typeof typescriptKernels.ops)[];
    const queued = (name: keyof typeof typescriptKernels.ops) => {
      const run = typescriptKernels.ops[name] as (...args: readonly unknown[]) => void;
      return (...args: readonly unknown[]) => this.queue(() => run(...args.map(hiddenIn)));
    };
    this.ops = Object.fromEntries(names.map((name) => [name, queued(name)]));
    const { qkNorm } = typescriptKernels;
    this.qkNorm = {
      name: "awaited",
      prepare: (call) => {
        const prepared = qkNorm.prepare(hiddenIn(call) as typeof call);
        if (typeof prepared !== "function") return prepared;
        return (...args) => {
          this.queue(() => prepared(...(args.map(hiddenIn) as unknown as typeof args)));
          return true;
        };
      },
    };
  }

  describe(): string {
    return "a device that is awaited";
  }

  queue(work: () => void): void {
    this.#queued.push(work);
  }

  allocate(dtype: Dtype, elements: number): Memory {
    this.live += 1;
    const array = allocate(dtype, elements);
    // Nothing may count on zeros.
    new Uint8Array(array.buffer).fill(0x7f);
    return new AwaitedMemory(this, array);
  }

  clear(memory: Memory): void {
    this.queue(() => hiddenOf(memory).data.fill(0));
  }

  write(memory: Memory, offset: number, array: HostArray): void {
    const copy = array.slice();
    this.queue(() => {
      const { data } = hiddenOf(memory);
      data.set(copy, offset / data.BYTES_PER_ELEMENT);
    });
  }

  copy(source: TensorView, target: TensorView): void {
    this.queue(() => {
      const [from, to] = [hiddenOf(source.memory).data, hiddenOf(target.memory).data];
      eachRun(source, target, (start, at, count) => to.set(from.slice(start, start + count), at));
    });
  }

  async read(memory: Memory, offset: number, into: HostArray): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.turns += 1;
    const work = this.#queued;
    this.#queued = [];
    for (const run of work) run();
    const { data } = hiddenOf(memory);
    const first = offset / data.BYTES_PER_ELEMENT;
    into.set(data.subarray(first, first + into.length));
  }

  close(): void {}
}

function hiddenOf(memory: Memory): CpuMemory {
  return (memory as AwaitedMemory).hidden;
}

/** The same arguments, every view in them as one of the hidden memory. */
function hiddenIn(value: unknown): unknown {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  if ((value as Partial<TensorView>).memory instanceof AwaitedMemory) {
    const { memory, dtype, shape, strides, offset, size } = value as TensorView;
    return { memory: hiddenOf(memory), dtype, shape, strides, offset, size };
  }
  if (Array.isArray(value)) return value.map(hiddenIn);
  // Of a device's making, as the experts that a router chose.
  if (Indices.is(value) && value.values === null) {
    const { memory, offset, size } = value.on(backendOf(awaitedDevice));
    return {
      length: size,
      bound: value.bound,
      values: hiddenOf(memory).data.subarray(offset, offset + size),
    };
  }
  // Objects of classes, as indices are, keep what they hold to themselves.
  if (Object.getPrototypeOf(value) !== Object.prototype) return value;
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, hiddenIn(part)]));
}

/** Makes the device known to this thread, for the whole of a test file. */
export function openAwaitedDevice(): Pick<AwaitedBackend, "live" | "turns" | "ops"> {
  const backend = new AwaitedBackend();
  useBackend(backend);
  return backend;
}
