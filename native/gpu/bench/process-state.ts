import { CudaEvent, CudaMemory, CudaStream, type Jit } from "../../src/index.ts";
import { Program, programSource } from "../program.ts";
import type { StateNote } from "./results.ts";

/**
 * The two states that a process can be in, told by a launch that triggers late (NOTES.md, "Two states of a process"). A
 * process starts quiet.
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
    const probes = programSource(new URL("probes.cu", import.meta.url));
    this.#empty = new Program(jit, probes, "probe_empty", []);
    measure(); // the clocks rise
    this.#quietUs = measure();
  }

  note(kind: string): StateNote {
    const seedOneTokenUs = this.#measure();
    return { kind, state: seedOneTokenUs > 1.1 * this.#quietUs ? "loaded" : "quiet", seedOneTokenUs };
  }

  /** Tries what made processes loaded elsewhere, each a few times, until the state has changed; what it is then. */
  load(): StateNote {
    for (const [name, provoke] of Object.entries(this.#provocations())) {
      for (let attempt = 0; attempt < 6; attempt++) {
        provoke();
        for (let look = 0; look < 3; look++) {
          const now = this.note(`after ${name}`);
          if (now.state === "loaded") return now;
        }
      }
    }
    return this.note("loading failed");
  }

  #provocations(): Record<string, () => void> {
    const stream = this.#stream;
    const other = new CudaStream(stream.device);
    const alone = this.#empty.launch([], 1, 128).alone();
    const allocate = () => {
      const memory = new CudaMemory(stream, 64 << 20); // larger than what the pool may have left
      this.#kept.push(memory);
      return memory;
    };
    return {
      "memory and a launch": () => {
        allocate();
        alone.run(stream);
        stream.synchronize();
      },
      "memory filled on another stream": () => {
        const memory = allocate();
        other.waitFor(stream);
        memory.fill(0, other);
        alone.run(stream);
        other.synchronize();
        stream.synchronize();
      },
      "a stream that waits for another": () => {
        alone.run(other);
        const event = new CudaEvent(stream.device);
        event.record(other);
        stream.waitFor(event);
        alone.run(stream);
        stream.synchronize();
      },
      "many launches alone": () => {
        for (let i = 0; i < 200; i++) alone.run(stream);
        stream.synchronize();
      },
    };
  }
}
