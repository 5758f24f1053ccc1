import { Program, programSource } from "../../gpu/program.ts";
import { CudaMemory, type CudaStream, type Jit } from "../../src/index.ts";
import type { StateNote } from "./results.ts";

/**
 * The two states that a process can be in, told by a launch that triggers late (NOTES.md, "Two states of a process"). A
 * process starts quiet; work that is launched outside of graphs, as a model without graphs does it, makes it loaded.
 */
export class ProcessState {
  readonly #stream: CudaStream;
  readonly #measure: () => number;
  readonly #empty: Program;
  readonly #kept: CudaMemory[] = [];
  readonly #quietUs: number;

  /** `measure`: microseconds of the seed's design for one token of 8/1 heads, in a graph. The process is new. */
  constructor(stream: CudaStream, jit: Jit, measure: () => number) {
    this.#stream = stream;
    this.#measure = measure;
    const probes = programSource(new URL("../tuning/probes.cu", import.meta.url));
    this.#empty = new Program(jit, probes, "probe_empty", []);
    this.#quietUs = measure();
  }

  note(kind: string): StateNote {
    const seedOneTokenUs = this.#measure();
    return { kind, state: seedOneTokenUs > 1.1 * this.#quietUs ? "loaded" : "quiet", seedOneTokenUs };
  }

  /** Allocates, launches outside of a graph, waits for the stream, until the state has changed; what it is then. */
  load(attempts = 20): StateNote {
    for (let i = 0; i < attempts; i++) {
      this.#kept.push(new CudaMemory(this.#stream, 64 << 20)); // larger than what the pool may have left
      this.#empty.launch([], 1, 128).alone().run(this.#stream);
      this.#stream.synchronize();
      for (let look = 0; look < 3; look++) {
        const now = this.note("loading");
        if (now.state === "loaded") return now;
      }
    }
    return this.note("loading failed");
  }
}
