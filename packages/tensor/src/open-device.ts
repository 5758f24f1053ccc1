import { QkNormError } from "@qknorm/core";
import type { Backend } from "./backend.ts";
import { type Device, type DeviceName, parseDevice } from "./device.ts";
import { backendOf, openDevices } from "./devices.ts";
import { provideQkNorm } from "./qk-norm/provider.ts";

// Nothing of a kind of device is loaded before one is opened.
const openers: Record<DeviceName["kind"], (ordinal: number) => Promise<Backend>> = {
  cuda: async (ordinal) => (await import("./backends/cuda/backend.ts")).openCudaBackend(ordinal),
};

/**
 * Opens a device for this thread and gives its backend; the same one when it is open already. Nothing of CUDA is loaded
 * before. Rejects with `ERR_QKNORM_DEVICE` when there is no such device, `ERR_CUDA` without a driver, `ERR_NATIVE`
 * without the addon.
 */
export async function openDevice(device: Device): Promise<Backend> {
  const name = parseDevice(device);
  if (name !== null && !openDevices.has(device)) {
    const backend = await openers[name.kind](name.ordinal);
    // Another call may have been faster.
    if (openDevices.has(device)) backend.close();
    else useBackend(backend);
  }
  return backendOf(device);
}

/** Makes a backend that of its device, on this thread. */
export function useBackend(backend: Backend): void {
  if (backend.qkNorm !== null) provideQkNorm(backend.qkNorm);
  openDevices.set(backend.device, backend);
}

/**
 * Closes a device of this thread: what lies there can be disposed and nothing else, also after the device was opened
 * again. Twice is allowed. Throws `ERR_QKNORM_DEVICE` for the CPU.
 */
export function closeDevice(device: Device): void {
  if (parseDevice(device) === null) throw new QkNormError("ERR_QKNORM_DEVICE", "the cpu is always open");
  openDevices.get(device)?.close();
  openDevices.delete(device);
}
