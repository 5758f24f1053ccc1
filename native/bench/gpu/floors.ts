import { Program, programSource } from "../../gpu/program.ts";
import { type CudaMemory, type CudaStream, cudaDevice, cudaUsage, type Jit } from "../../src/index.ts";
import type { Buffers } from "./buffers.ts";
import type { Timer } from "./timer.ts";

/** What the hardware allows, measured in the same process. */
export interface Floors {
  /** Bytes read and written by a copy of 4 GiB, in 1e12 per second. */
  readonly copyTBs: number;
  /** Microseconds of a launch in a graph that does nothing: with PDL, without, and with PDL's trigger and wait. */
  readonly emptyUs: number;
  readonly emptyAloneUs: number;
  readonly waitUs: number;
}

const launches = 100;

export function measureFloors(timer: Timer, stream: CudaStream, buffers: Buffers, jit: Jit): Floors {
  const source = programSource(new URL("../tuning/probes.cu", import.meta.url));
  const empty = new Program(jit, source, "probe_empty", []).launch([], 1, 128);
  const alone = new Program(jit, source, "probe_empty", []).launch([], 1, 128).alone();
  const wait = new Program(jit, source, "probe_wait", []).launch([], 1, 128);
  const us = timer.measure([
    ...Object.entries({ empty, alone, wait }).map(([name, launch]) => ({
      name,
      launches,
      queue: () => {
        for (let i = 0; i < launches; i++) launch.run(stream);
      },
    })),
    { name: "copy", launches: 2, queue: () => copies(buffers.pool, stream) },
  ]);
  return {
    copyTBs: Number(((2 * copyBytes(buffers.pool)) / (us.copy as number) / 1e6).toFixed(4)),
    emptyUs: us.empty as number,
    emptyAloneUs: us.alone as number,
    waitUs: us.wait as number,
  };
}

/** For the record: which device, in which condition. */
export function describeDevice(stream: CudaStream): Record<string, string | number> {
  const { name, arch, multiprocessors, l2Bytes, bytes } = cudaDevice(stream.device);
  return { name, arch, multiprocessors, l2Bytes, bytes, freeBytes: cudaUsage(stream.device).freeBytes };
}

function copies(pool: CudaMemory, stream: CudaStream): void {
  const bytes = copyBytes(pool);
  const half = Math.floor(pool.bytes / 2 / 4096) * 4096;
  for (let i = 0; i < 2; i++) pool.copyFrom(pool, stream, { offset: half, fromOffset: 0, bytes });
}

function copyBytes(pool: CudaMemory): number {
  return Math.min(2 ** 32, Math.floor(pool.bytes / 2 / 4096) * 4096);
}
