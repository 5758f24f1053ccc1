import { DeviceGraph, DeviceMark } from "@qknorm/tensor";

/** Microseconds that a host spends, by what it does. */
export interface HostShare {
  /** On the device: until a token is there. */
  readonly waitUs: number;
  /** In the driver: queueing a graph. */
  readonly replayUs: number;
  /** In TypeScript: all else. */
  readonly ownUs: number;
}

/** What `work` spends, over `steps` steps, beside reading tokens from a device and replaying graphs there. */
export async function hostShare(steps: number, work: () => unknown): Promise<HostShare> {
  const wait = timed(DeviceMark.prototype, "readNow");
  const replay = timed(DeviceGraph.prototype, "replay");
  try {
    const began = performance.now();
    await work();
    const all = performance.now() - began;
    const us = (ms: number) => (1000 * ms) / steps;
    return { waitUs: us(wait.ms), replayUs: us(replay.ms), ownUs: us(all - wait.ms - replay.ms) };
  } finally {
    wait.restore();
    replay.restore();
  }
}

/** Adds up what the calls of a method take, until it is restored. */
function timed<Name extends string>(
  owner: { [name in Name]: (...given: never[]) => unknown },
  name: Name,
): { readonly ms: number; restore(): void } {
  const real = owner[name] as (this: unknown, ...given: unknown[]) => unknown;
  const spent = {
    ms: 0,
    restore: () => {
      owner[name] = real;
    },
  };
  owner[name] = function (this: unknown, ...given: unknown[]) {
    const began = performance.now();
    try {
      return real.apply(this, given);
    } finally {
      spent.ms += performance.now() - began;
    }
  };
  return spent;
}
