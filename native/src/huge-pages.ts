import { requireBinding } from "./loader.ts";

/**
 * Asks the system for huge pages under an array that was not written yet, so that reading all of it costs fewer address
 * translations. Advice: where the system has none, nothing happens. Throws `ERR_NATIVE` without the addon.
 */
export function preferHugePages(array: ArrayBufferView): void {
  requireBinding().preferHugePages(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
}
