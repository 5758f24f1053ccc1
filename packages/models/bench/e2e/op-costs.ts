import { backendOf, type Device, type Tensor } from "@qknorm/tensor";
import { Timer } from "../../../../native/gpu/bench/timer.ts";
import { Jit } from "../../../../native/src/index.ts";
import type { Backend, TensorView } from "../../../tensor/src/backend.ts";
import { cudaStream } from "../../../tensor/src/cuda.ts";

/** One call of an op in a step. */
interface Call {
  /** The op and the shape of its last tensor argument. */
  readonly name: string;
  readonly run: () => void;
  readonly weightBytes: number;
}

/** What calls of one kind took. */
export interface OpCost {
  readonly op: string;
  readonly calls: number;
  readonly us: number;
  readonly weightBytes: number;
}

/**
 * Notes the calls of a backend's ops, and times them kind by kind. Made before the first pass of a model, since a fused
 * QK norm is prepared once; nothing else of the process should run passes meanwhile.
 */
export class OpCosts {
  readonly #device: Device;
  readonly #weights: ReadonlySet<object>;
  readonly #restore: () => void;
  /** Of the step that is being noted; null outside of one. */
  #calls: Call[] | null = null;

  constructor(device: Device, weights: Iterable<Tensor>) {
    this.#device = device;
    this.#weights = new Set([...weights].map(({ memory }) => memory));
    this.#restore = this.#listen(backendOf(device));
  }

  /**
   * What the calls of `step` take: all calls of one kind in turn, so that each layer's weights come from memory as they do in
   * the step. What the step frees stays until they are timed.
   */
  of(step: () => void): OpCost[] {
    const memory = Object.getPrototypeOf([...this.#weights][0]) as { free(): void };
    const { free } = memory;
    const freed = new Set<object>();
    memory.free = function (this: object) {
      freed.add(this);
    };
    try {
      return this.#timed(this.#noted(step));
    } finally {
      memory.free = free;
      for (const one of freed) free.call(one);
    }
  }

  #noted(step: () => void): Call[] {
    const calls: Call[] = [];
    this.#calls = calls;
    try {
      step();
    } finally {
      this.#calls = null;
    }
    return calls;
  }

  #timed(calls: readonly Call[]): OpCost[] {
    const kinds = new Map<string, Call[]>();
    for (const call of calls) kinds.set(call.name, [...(kinds.get(call.name) ?? []), call]);
    const groups = [...kinds].map(([name, own]) => ({
      name,
      launches: 1,
      queue: () => {
        for (const { run } of own) run();
      },
    }));
    const us = this.#device === "cpu" ? timeOnHost(groups) : timerOf(this.#device).measure(groups);
    return [...kinds].map(([op, own]) => ({
      op,
      calls: own.length,
      us: us[op] as number,
      weightBytes: own.reduce((sum, { weightBytes }) => sum + weightBytes, 0),
    }));
  }

  [Symbol.dispose](): void {
    this.#restore();
  }

  // Ops are looked up at each call, so that what stands in their place sees all of them.
  #listen(backend: Backend): () => void {
    const ops = backend.ops as Record<string, Run>;
    const before = { ...ops };
    for (const [op, real] of Object.entries(before)) ops[op] = this.#noting(op, real);
    const { copy, qkNorm } = backend;
    backend.copy = this.#noting("copy", copy.bind(backend) as Run) as typeof copy;
    const kernels = [
      ["qkNorm", qkNorm],
      ["qkNormRope", qkNorm?.qkNormRope],
    ] as const;
    const undo = kernels.map(([name, kernel]) => kernel && this.#listenTo(name, kernel as Prepares));
    return () => {
      Object.assign(ops, before);
      backend.copy = copy;
      for (const restore of undo) restore?.();
    };
  }

  #listenTo(name: string, kernel: Prepares): () => void {
    const { prepare } = kernel;
    kernel.prepare = (call) => {
      const run = prepare.call(kernel, call);
      return typeof run === "function" ? this.#noting(name, run as Run) : run;
    };
    return () => {
      kernel.prepare = prepare;
    };
  }

  #noting(op: string, real: Run): Run {
    return (...args) => {
      if (this.#calls !== null) this.#calls.push(this.#callOf(op, args, () => real(...args)));
      return real(...args);
    };
  }

  #callOf(op: string, args: readonly unknown[], run: () => void): Call {
    const views = args.filter(isView);
    const read =
      op === "gatherRows"
        ? []
        : views.filter(({ memory, shape }) => shape.length > 1 && this.#weights.has(memory));
    const weightBytes = read.reduce((sum, { size, dtype }) => sum + size * (dtype === "f32" ? 4 : 2), 0);
    return { name: `${op} [${views.at(-1)?.shape.join(", ") ?? ""}]`, run, weightBytes };
  }
}

type Run = (...args: unknown[]) => unknown;

/** A fused kernel, which makes a call ready once. */
interface Prepares {
  prepare(call: unknown): unknown;
}

function isView(value: unknown): value is TensorView {
  return typeof value === "object" && value !== null && "memory" in value && "strides" in value;
}

function timerOf(device: Device): Timer {
  return new Timer(cudaStream(Number(device.slice("cuda:".length))), new Jit({ folder: null, seeds: [] }));
}

function timeOnHost(
  groups: readonly { readonly name: string; readonly queue: () => void }[],
): Record<string, number> {
  return Object.fromEntries(
    groups.map(({ name, queue }) => {
      queue();
      const began = performance.now();
      for (let i = 0; i < 5; i++) queue();
      return [name, (1000 * (performance.now() - began)) / 5];
    }),
  );
}
