import { QkNormError, wrongArgument } from "./errors.ts";
import { processState } from "./process-state.ts";

/**
 * A queue of device work, as far as core needs to know one. `device` is a small index (the slot of the cached current
 * stream); `waitFor` orders all later work of this stream after all work that another one of its kind holds now.
 */
export interface StreamLike {
  readonly device: number;
  /** `never`: which streams it can wait for is the library's to say; core passes one of the same device. */
  waitFor(other: never): void;
}

/** Two streams of one device: work on `alt`, forked from `main` and joined to it. */
export interface Fork {
  readonly main: StreamLike;
  readonly alt: StreamLike;
}

// One slot per device, per thread, as the state is. Reading the current stream is an array read: asking a driver for it
// costs microseconds, on every call of every layer.
const state = processState<unknown, StreamLike>();
const current = state.streams;
const maxDevice = 4095;

/**
 * The current stream of a device on this thread, or `undefined` when none was ever set. Throws `ERR_QKNORM_ARGUMENT`
 * when the device is not an index.
 */
export function currentStream(device = 0): StreamLike | undefined {
  // A device that has a stream is an index.
  const known = typeof device === "number" ? current[device] : undefined;
  return known ?? current[deviceIndex(device)];
}

/**
 * Sets the stream that a device starts with. A device layer calls this once, outside of any `withStream`; use that for
 * everything else. Throws `ERR_QKNORM_ARGUMENT` when it is not a stream.
 */
export function setDefaultStream(stream: StreamLike): void {
  assertStream(stream, "stream");
  current[stream.device] = stream;
}

/**
 * Runs `fn` with `stream` as its device's current stream and restores the former one, also after an exception.
 *
 * Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous or a generator: the slot would be restored before its work is
 * queued.
 * `ERR_QKNORM_ARGUMENT` when the arguments are not a stream and a function.
 */
export function withStream<R>(stream: StreamLike, fn: () => R): R {
  assertStream(stream, "stream");
  const { device } = stream;
  const former = current[device];
  current[device] = stream;
  try {
    return runSynchronous(fn, "withStream");
  } finally {
    current[device] = former;
  }
}

/** Whether a graph is being captured on this thread. */
export function isCapturing(): boolean {
  return state.capturing > 0;
}

/**
 * Runs `fn` in capture mode, the only mode in which the fallback uses two streams. The mode ends with the scope, also
 * after an exception; scopes may nest. Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous or a generator.
 */
export function capture<R>(fn: () => R): R {
  state.capturing += 1;
  try {
    return runSynchronous(fn, "capture");
  } finally {
    state.capturing -= 1;
  }
}

/**
 * The current stream of the device and the other one, to be used side by side; `null` outside a capture. There memory
 * freed on one stream could be reused by the other while it still runs; inside, the graph keeps its memory.
 */
export function forkTo(alt: StreamLike | null): Fork | null {
  if (alt === null || !isCapturing()) return null;
  const main = currentStream(alt.device);
  return main === undefined || main === alt ? null : { main, alt };
}

/** Throws `ERR_QKNORM_ARGUMENT` unless `stream` has a device index and `waitFor`; `what` names it in the message. */
export function assertStream(stream: unknown, what: string): asserts stream is StreamLike {
  const candidate = stream as Partial<StreamLike> | null | undefined;
  if (typeof candidate?.waitFor !== "function") {
    throw wrongArgument(`${what} must be a stream with device and waitFor`, stream);
  }
  deviceIndex(candidate.device);
}

function deviceIndex(device: unknown): number {
  if (!Number.isSafeInteger(device) || (device as number) < 0 || (device as number) > maxDevice) {
    throw wrongArgument(`a stream's device must be an index from 0 to ${maxDevice}`, device);
  }
  return device as number;
}

function runSynchronous<R>(fn: () => R, scope: string): R {
  if (typeof fn !== "function") {
    throw wrongArgument(`${scope} takes a function`, fn);
  }
  const result = fn();
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
    // Nobody can await the promise any more: its own failure must not end the process as an unhandled rejection.
    if (result instanceof Promise) result.catch(() => {});
    throw new QkNormError("ERR_QKNORM_SCOPE", `${scope} takes a synchronous function; await outside of it`);
  }
  if (/ (?:Async)?Generator\]$/.test(Object.prototype.toString.call(result))) {
    throw new QkNormError(
      "ERR_QKNORM_SCOPE",
      `${scope} takes a plain function, not a generator: nothing of it would run inside`,
    );
  }
  return result;
}
