import type { Device } from "./device.ts";
import { backendOf } from "./devices.ts";
import { assertFunction } from "./plain-argument.ts";

/**
 * Does `work`, of whose ops on a device several may become one launch: a decoder's layer for one token, on a device whose
 * blocks can wait for one another. Results have the same bits; what is queued is queued in its order, at the latest when
 * `work` ends. A capture that has it calls what it captures once more, where the kernel of such a launch was not loaded yet.
 * Elsewhere it is a call of `work`.
 *
 * Throws what `work` does, and `ERR_QKNORM_ARGUMENT` for what is no function.
 */
export function together<T>(device: Device, work: () => T): T {
  assertFunction(work, "together");
  const backend = backendOf(device);
  return backend.together === undefined ? work() : backend.together(work);
}
