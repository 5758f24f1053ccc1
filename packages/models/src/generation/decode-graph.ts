import { type Device, DeviceGraph, keep, type Tensor, tidy } from "@qknorm/tensor";

/**
 * A decode step of a device: a pass over one token of each text, and the choice of the next. What changes from step to step
 * lies on the device, so that it is captured once and then replayed. Its logits are overwritten by the next step.
 */
export class DecodeGraph {
  readonly #device: Device;
  readonly #pass: () => Tensor;
  #graph: DeviceGraph | null = null;
  /** Of the graph, and of the last step by calls. */
  #logits: Tensor | null = null;
  #called: Tensor | null = null;

  /** `pass` queues the step and returns its logits. */
  constructor(device: Device, pass: () => Tensor) {
    this.#device = device;
    this.#pass = pass;
  }

  get isCaptured(): boolean {
    return this.#graph !== null;
  }

  /** A step by calls, which compiles and loads what the capture then finds. */
  call(): Tensor {
    this.#called?.dispose();
    this.#called = null;
    this.#called = keep(tidy(this.#pass));
    return this.#called;
  }

  /** Captures the step, which runs nothing; `as` calls what it is given, once or again. */
  capture(as: (work: () => void) => void = (work) => work()): void {
    try {
      this.#graph = DeviceGraph.capture(this.#device, () =>
        as(() => {
          this.#logits?.dispose();
          this.#logits = keep(tidy(this.#pass));
        }),
      );
    } finally {
      if (this.#graph === null) this.#logits?.dispose();
    }
  }

  /** The step again, once it was captured. */
  replay(): Tensor {
    (this.#graph as DeviceGraph).replay();
    this.#called?.dispose();
    this.#called = null;
    return this.#logits as Tensor;
  }

  dispose(): void {
    this.#graph?.dispose();
    this.#logits?.dispose();
    this.#called?.dispose();
  }
}
