import { CudaEvent, CudaGraph, type CudaStream, type Jit } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";

/** Launches of a graph over one set of q and k. */
export const warmLaunches = 100;

/** Something to be timed: `launches` launches that `queue` puts on the stream. */
export interface Timed {
  readonly name: string;
  readonly launches: number;
  readonly queue: () => void;
}

/**
 * Times graphs by events, all contenders of a row in turn: replay by replay, so that whatever the device does
 * meanwhile, it does to all of them. A kernel that only waits goes before each turn, for as long as the host takes to
 * queue it: a device that waits for the host between an event and its graph would be timed with it.
 */
export class Timer {
  readonly #stream: CudaStream;
  readonly #hold: Program;
  readonly #events: CudaEvent[] = [];
  /** What the host takes to queue one replay. */
  #queueingUs = 100;

  constructor(stream: CudaStream, jit: Jit) {
    this.#stream = stream;
    const probes = programSource(new URL("probes.cu", import.meta.url));
    this.#hold = new Program(jit, probes, "probe_hold", ["u64"], { waits: false });
  }

  /** Median microseconds per launch, by name. */
  measure(all: readonly Timed[]): Record<string, number> {
    const graphs = all.map(({ queue }) => CudaGraph.capture(this.#stream, queue));
    try {
      this.#turn(graphs);
      this.#turn(graphs);
      const counts = this.#turn(graphs).map(replaysFor);
      const times: number[][] = graphs.map(() => []);
      for (let turn = 0; turn < Math.max(...counts); turn++) {
        const some = [...graphs.keys()].filter((i) => turn < (counts[i] as number));
        const found = this.#turn(some.map((i) => graphs[i] as CudaGraph));
        for (const [at, i] of some.entries()) times[i]?.push(found[at] as number);
      }
      return Object.fromEntries(
        all.map(({ name, launches }, i) => [name, round(median(times[i] as number[]) / launches)]),
      );
    } finally {
      for (const graph of graphs) graph.free();
    }
  }

  /** Microseconds of one replay of each graph. */
  #turn(graphs: readonly CudaGraph[]): number[] {
    for (let attempt = 0; ; attempt++) {
      const holdUs = Math.min(20_000, 200 + 1.5 * graphs.length * this.#queueingUs);
      this.#hold.launch([Math.round(1000 * holdUs)], 1, 1).run(this.#stream);
      const began = performance.now();
      graphs.forEach((graph, i) => {
        this.#event(2 * i).record(this.#stream);
        graph.replay(this.#stream);
        this.#event(2 * i + 1).record(this.#stream);
      });
      const queuedUs = 1000 * (performance.now() - began);
      this.#stream.synchronize();
      this.#queueingUs = queuedUs / graphs.length;
      // Too slow this once, or more than the queue holds.
      if (queuedUs > holdUs && attempt < 3) continue;
      return graphs.map((_, i) => 1000 * this.#event(2 * i + 1).since(this.#event(2 * i)));
    }
  }

  #event(index: number): CudaEvent {
    this.#events[index] ??= new CudaEvent(this.#stream.device, { timed: true });
    return this.#events[index] as CudaEvent;
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const high = sorted[middle] as number;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] as number) + high) / 2;
}

/** Enough replays of a graph for a median, fewer of long ones. */
function replaysFor(microseconds: number): number {
  return Math.max(5, Math.min(21, Math.floor(8000 / microseconds)));
}

function round(microseconds: number): number {
  return Number(microseconds.toFixed(4));
}
