import { QkNormError } from "./errors.ts";

/**
 * A queue of device work, as far as core needs to know one. `device` is a small index (the slot of the cached current
 * stream); `waitFor` orders all later work of this stream after all work the other one holds now.
 */
export interface StreamLike {
  readonly device: number;
  waitFor(other: StreamLike): void;
}

// One slot per device. A module is instantiated once per thread, so the slots are per thread as well. Reading the
// current stream is an array read: asking a driver for it costs microseconds, on every call of every layer.
const current: (StreamLike | undefined)[] = [];
let capturing = 0;

/** The current stream of a device on this thread, or `undefined` when none was ever set. */
export function currentStream(device = 0): StreamLike | undefined {
  return current[device];
}

/** Sets the stream that a device starts with. A device layer calls this once; use `withStream` for everything else. */
export function setDefaultStream(stream: StreamLike): void {
  current[deviceIndex(stream)] = stream;
}

/**
 * Runs `fn` with `stream` as its device's current stream and restores the former one, also after an exception.
 *
 * Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous: the slot would be restored before its work is queued.
 */
export function withStream<R>(stream: StreamLike, fn: () => R): R {
  const device = deviceIndex(stream);
  const former = current[device];
  current[device] = stream;
  try {
    return assertSynchronous(fn(), "withStream");
  } finally {
    current[device] = former;
  }
}

/** Whether a graph is being captured on this thread. */
export function isCapturing(): boolean {
  return capturing > 0;
}

/**
 * Runs `fn` in capture mode, the only mode in which the fallback uses two streams. The mode ends with the scope, also
 * after an exception; scopes may nest. Throws `ERR_QKNORM_SCOPE` when `fn` is asynchronous.
 */
export function capture<R>(fn: () => R): R {
  capturing += 1;
  try {
    return assertSynchronous(fn(), "capture");
  } finally {
    capturing -= 1;
  }
}

function deviceIndex(stream: StreamLike): number {
  const device: unknown = (stream as StreamLike | null | undefined)?.device;
  if (!Number.isSafeInteger(device) || (device as number) < 0 || (device as number) > 4095) {
    throw new QkNormError(
      "ERR_QKNORM_ARGUMENT",
      `a stream's device must be an index from 0, got ${String(device)}`,
    );
  }
  return device as number;
}

function assertSynchronous<R>(result: R, scope: string): R {
  if (typeof (result as { then?: unknown } | null | undefined)?.then === "function") {
    throw new QkNormError("ERR_QKNORM_SCOPE", `${scope} takes a synchronous function; await outside of it`);
  }
  return result;
}
