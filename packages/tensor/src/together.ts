import type { Device } from "./device.ts";
import { backendOf } from "./devices.ts";

export interface TogetherOptions {
  /**
   * Bytes that the weights of joined products have on average, at least. What a launch of many ops buys is that weights are read
   * on while its blocks wait for one another's results. Default: no product has so many, since how long that takes is not measured
   * yet on any device.
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
  const { leastWeightBytes = Number.POSITIVE_INFINITY } = options;
  return backend.together === undefined ? work() : backend.together(work, leastWeightBytes);
}
