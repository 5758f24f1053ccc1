/**
 * What all copies of core in one process have in common, per thread: without it two copies, one of the application and
 * one of a library, would each have providers, streams and captures of their own, and never meet.
 *
 * The number in its key is the version of this shape: it changes whenever a field does.
 */
export interface ProcessState<Registration, Stream, Logger> {
  /** In the order they are asked. Replaced as a whole, never changed, so that its identity tells whether it is the same. */
  registrations: readonly Registration[];
  /** The current stream of each device, by its index. */
  readonly streams: (Stream | undefined)[];
  /** How many captures enclose the code that runs now. */
  capturing: number;
  /** The reasons of a fallback that were said already. */
  readonly said: Set<string>;
  /** Who is told of fallbacks; `undefined` until somebody asked to be, `null` for nobody. */
  logger: Logger | null | undefined;
}

const key = Symbol.for("@qknorm/core/state/1");

/** The state of this thread, made by whichever copy comes first. Each user of it names the types of its own fields. */
export function processState<Registration = unknown, Stream = unknown, Logger = unknown>(): ProcessState<
  Registration,
  Stream,
  Logger
> {
  const holder = globalThis as { [key]?: ProcessState<Registration, Stream, Logger> };
  holder[key] ??= { registrations: [], streams: [], capturing: 0, said: new Set(), logger: undefined };
  return holder[key];
}
