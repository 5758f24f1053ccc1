import { CudaEvent, CudaMemory, type CudaStream, type Jit } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import { warmLaunches as launches, median, type Timer } from "./timer.ts";

/** What the hardware allows, measured in the same process. */
export interface Floors {
  /** Bytes read and written by a copy of 4 GiB, in 1e12 per second. */
  readonly copyTBs: number;
  /** Microseconds of a launch in a graph that does nothing: with PDL, without, and with PDL's trigger and wait. */
  readonly emptyUs: number;
  readonly emptyAloneUs: number;
  readonly waitUs: number;
}

export function measureFloors(timer: Timer, stream: CudaStream, jit: Jit): Floors {
  const source = programSource(new URL("probes.cu", import.meta.url));
  const empty = new Program(jit, source, "probe_empty", []).launch([], 1, 128);
  const alone = new Program(jit, source, "probe_empty", []).launch([], 1, 128).alone();
  const wait = new Program(jit, source, "probe_wait", []).launch([], 1, 128);
  const us = timer.measure(
    Object.entries({ empty, alone, wait }).map(([name, launch]) => ({
      name,
      launches,
      queue: () => {
        for (let i = 0; i < launches; i++) launch.run(stream);
      },
    })),
  );
  return {
    copyTBs: copyRate(stream),
    emptyUs: us.empty as number,
    emptyAloneUs: us.alone as number,
    waitUs: us.wait as number,
  };
}

/** 4 GiB from one memory to another, outside of graphs; the median of twelve. */
function copyRate(stream: CudaStream): number {
  const bytes = 2 ** 32;
  using source = new CudaMemory(stream, bytes);
  using target = new CudaMemory(stream, bytes);
  using start = new CudaEvent(stream.device, { timed: true });
  using end = new CudaEvent(stream.device, { timed: true });
  source.fill(0x55, stream);
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    start.record(stream);
    target.copyFrom(source, stream);
    end.record(stream);
    end.synchronize();
    if (i >= 3) times.push(end.since(start));
  }
  return Number(((2 * bytes) / median(times) / 1e9).toFixed(4));
}
