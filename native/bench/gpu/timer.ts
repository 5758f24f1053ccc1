import { Program, programSource } from "../../gpu/program.ts";
import { CudaEvent, CudaGraph, type CudaStream, type Jit } from "../../src/index.ts";

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
 * meanwhile, it does to all of them. A kernel that only waits goes first: the host's queueing is not timed.
 */
export class Timer {
  readonly #stream: CudaStream;
  readonly #hold: Program;
  readonly #events: CudaEvent[] = [];

  constructor(stream: CudaStream, jit: Jit) {
    this.#stream = stream;
    const probes = programSource(new URL("../tuning/probes.cu", import.meta.url));
    this.#hold = new Program(jit, probes, "probe_hold", ["u64"], { waits: false });
  }

  /** Median microseconds per launch, by name. */
  measure(all: readonly Timed[]): Record<string, number> {
    const graphs = all.map(({ queue }) => CudaGraph.capture(this.#stream, queue));
    try {
      this.#replay(graphs, 1);
      const guess = this.#replay(graphs, 2).map((times) => times[1] as number);
      const counts = guess.map(replaysFor);
      const times = this.#replay(graphs, Math.max(...counts), counts);
      return Object.fromEntries(
        all.map(({ name, launches }, i) => [name, round(median(times[i] as number[]) / launches)]),
      );
    } finally {
      for (const graph of graphs) graph.free();
    }
  }

  /** Microseconds of each replay of each graph. */
  #replay(graphs: readonly CudaGraph[], rounds: number, counts?: readonly number[]): number[][] {
    const spans: { graph: number; start: CudaEvent; end: CudaEvent }[] = [];
    this.#hold.launch([400_000], 1, 1).run(this.#stream);
    for (let replay = 0; replay < rounds; replay++) {
      graphs.forEach((graph, i) => {
        if (counts !== undefined && replay >= (counts[i] as number)) return;
        const start = this.#event(2 * spans.length);
        const end = this.#event(2 * spans.length + 1);
        start.record(this.#stream);
        graph.replay(this.#stream);
        end.record(this.#stream);
        spans.push({ graph: i, start, end });
      });
    }
    this.#stream.synchronize();
    const times: number[][] = graphs.map(() => []);
    for (const { graph, start, end } of spans) times[graph]?.push(1000 * end.since(start));
    return times;
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
