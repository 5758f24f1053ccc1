/**
 * A toy of a device stream. Real engines run work on a second stream only while a graph is being captured;
 * here the work runs at once and the streams only count it.
 */
export class Stream {
  readonly name: string;
  /** Index of the device whose work this stream holds. */
  readonly device = 0;
  launches = 0;
  /** Work launched elsewhere that this stream has waited for. */
  waitedFor = 0;

  constructor(name: string) {
    this.name = name;
  }

  run<R>(work: () => R): R {
    this.launches += 1;
    return work();
  }

  waitFor(other: Stream): void {
    this.waitedFor = Math.max(this.waitedFor, other.launches);
  }
}

export const mainStream = new Stream("main");

let capturing = false;

export function isCapturing(): boolean {
  return capturing;
}

/** Runs `work` in capture mode, which ends with it, also when it throws. */
export function capture<R>(work: () => R): R {
  const before = capturing;
  capturing = true;
  try {
    return work();
  } finally {
    capturing = before;
  }
}
