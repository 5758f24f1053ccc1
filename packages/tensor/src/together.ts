import type { Device } from "./device.ts";
import { backendOf } from "./devices.ts";

export interface TogetherOptions {
  /**
   * Bytes that the weights of joined products have on average, at least. Launches apart start faster than the blocks of one
   * wait for one another, and what that buys is that weights are read on meanwhile. Default 64 MiB.
   */
  readonly leastWeightBytes?: number;
}

/**
 * Does `work`, of whose ops on a device several may become one launch: a decoder's layer for one token, on a device whose
 * blocks can wait for one another. Results have the same bits; what is queued is queued in its order, at the latest when
 * `work` ends. A capture that has it calls what it captures once more, where the kernel of such a launch was not loaded yet.
 * Elsewhere it is a call of `work`.
 *
 * Throws what `work` does.
 */
export function together<T>(device: Device, work: () => T, options: TogetherOptions = {}): T {
  const backend = backendOf(device);
  const { leastWeightBytes = 64 * 2 ** 20 } = options;
  return backend.together === undefined ? work() : backend.together(work, leastWeightBytes);
}
