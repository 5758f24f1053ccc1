import type { Backend, FusedQkNorm, Memory, Ops, TensorView } from "../../backend.ts";
import { copyElements } from "../../copy.ts";
import { allocate, type Dtype, type HostArray } from "../../dtype.ts";
import { kernelsInUse } from "./choice.ts";
import { CpuMemory, dataOf } from "./memory.ts";

/** The CPU: native kernels where the addon loads, otherwise TypeScript. What is queued has run when a call returns. */
class CpuBackend implements Backend {
  readonly device = "cpu";
  readonly capture = null;
  readonly liveBytes = null;
  readonly closed = false;

  get ops(): Ops {
    return kernelsInUse().ops;
  }

  get qkNorm(): FusedQkNorm {
    return kernelsInUse().qkNorm;
  }

  describe(): string {
    return kernelsInUse().name;
  }

  allocate(dtype: Dtype, elements: number): Memory {
    return new CpuMemory(this, allocate(dtype, elements));
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
