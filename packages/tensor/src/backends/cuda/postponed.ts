import type { NormSpec } from "@qknorm/core";
import type { CudaStream } from "@qknorm/native/cuda";
import type { TensorView } from "../../backend.ts";
import { currentCudaStream } from "./device-state.ts";
import type { Joinable } from "./joinable.ts";
import { launchJoined } from "./joined-steps.ts";
import { isNormOf, type JoinableSum } from "./joined-sum.ts";

// By ordinal: what is being collected on this thread.
const open: (Postponed | undefined)[] = [];

/** Where ops of a device go that may be joined with others; null: they are queued at once. */
export function postponed(ordinal: number): Postponed | null {
  return open[ordinal] ?? null;
}

/** Does `work`, whose ops may be queued late and several in one launch; all are queued when it ends. */
export function together<T>(ordinal: number, work: () => T): T {
  if (open[ordinal] !== undefined) return work();
  const collected = new Postponed(ordinal);
  open[ordinal] = collected;
  try {
    return work();
  } finally {
    open[ordinal] = undefined;
    collected.end();
  }
}

/**
 * Ops that were asked for and are not queued yet. They are as soon as anything else is queued on their stream, in the order
 * they were asked for, and the memory that was freed meanwhile lives until then.
 */
class Postponed {
  readonly #ordinal: number;
  #stream: CudaStream | null = null;
  #ops: Joinable[] = [];
  #freed: (() => void)[] = [];

  constructor(ordinal: number) {
    this.#ordinal = ordinal;
  }

  add(op: Joinable): void {
    const stream = currentCudaStream(this.#ordinal);
    if (stream !== this.#stream) {
      this.#stream?.settle();
      this.#stream = stream;
    }
    if (this.#ops.length === 0) stream.postpone(() => this.#queue());
    this.#ops.push(op);
  }

  /** The last op, if it is a sum that this norm of x is of: no other norm is worth waiting for. */
  sumFor(x: TensorView, spec: NormSpec<TensorView>): JoinableSum | null {
    const last = this.#ops.at(-1)?.step;
    const here = currentCudaStream(this.#ordinal) === this.#stream;
    return here && last?.kind === "sum" && isNormOf(last, x, spec) ? last : null;
  }

  /** Frees memory behind the ops that may use it. False: there are none. */
  free(free: () => void): boolean {
    if (this.#ops.length === 0) return false;
    this.#freed.push(free);
    return true;
  }

  end(): void {
    this.#stream?.settle();
    this.#stream = null;
  }

  #queue(): void {
    const [ops, freed] = [this.#ops, this.#freed];
    this.#ops = [];
    this.#freed = [];
    try {
      launchJoined(this.#ordinal, this.#stream as CudaStream, ops);
    } finally {
      for (const free of freed) free();
    }
  }
}
