import type { StreamLike } from "../src/index.ts";

/** A stream that writes down what waits for what. */
export class FakeStream implements StreamLike {
  readonly name: string;
  readonly device: number;
  readonly #log: string[];

  constructor(name: string, log: string[], device = 0) {
    this.name = name;
    this.device = device;
    this.#log = log;
  }

  waitFor(other: StreamLike): void {
    this.#log.push(`${this.name} waits for ${(other as FakeStream).name}`);
  }
}
