import { QkNormError } from "@qknorm/core";
import type { Backend } from "./backend.ts";
import { type Device, ordinalOf } from "./device.ts";
import { backendOf, openDevices } from "./devices.ts";
import { provideQkNorm } from "./qk-norm/provider.ts";

/**
 * Opens a device for this thread and gives its backend; the same one when it is open already. Nothing of CUDA is loaded
 * before. Rejects with `ERR_QKNORM_DEVICE` when there is no such device, `ERR_CUDA` without a driver, `ERR_NATIVE`
 * without the addon.
 */
export async function openDevice(device: Device): Promise<Backend> {
  const ordinal = ordinalOf(device);
  if (ordinal !== null && !openDevices.has(device)) {
    const { openCudaBackend } = await import("./backends/cuda/backend.ts");
    // Another call may have been faster.
    if (!openDevices.has(device)) {
      const backend = openCudaBackend(ordinal);
      if (backend.qkNorm !== null) provideQkNorm(backend.qkNorm);
      openDevices.set(device, backend);
    }
  }
  return backendOf(device);
}

/**
 * Closes a device of this thread: what lies there can be disposed and nothing else, also after the device was opened
 * again. Twice is allowed. Throws `ERR_QKNORM_DEVICE` for the CPU.
 */
export function closeDevice(device: Device): void {
  if (ordinalOf(device) === null) throw new QkNormError("ERR_QKNORM_DEVICE", "the cpu is always open");
  openDevices.get(device)?.close();
  openDevices.delete(device);
}
