import { QkNormError } from "@qknorm/core";
import { requireBinding } from "./loader.ts";

/**
 * Asks the system for huge pages under an array that was not written yet, so that reading all of it costs fewer address
 * translations. Advice: where the system has none, nothing happens. Throws `ERR_NATIVE` without the addon,
 * `ERR_QKNORM_ARGUMENT` for what is no typed array.
 */
export function preferHugePages(array: ArrayBufferView): void {
  if (!ArrayBuffer.isView(array)) {
    throw new QkNormError("ERR_QKNORM_ARGUMENT", "huge pages lie under a typed array");
  }
  requireBinding().preferHugePages(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
}
