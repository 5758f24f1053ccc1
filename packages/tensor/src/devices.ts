import { QkNormError } from "@qknorm/core";
import type { Backend, Memory } from "./backend.ts";
import { cpuBackend } from "./backends/cpu/backend.ts";
import { CpuMemory } from "./backends/cpu/memory.ts";
import { type Device, parseDevice } from "./device.ts";
import type { HostArray } from "./dtype.ts";

/** The devices that are open on this thread; the CPU always is. */
export const openDevices: Map<Device, Backend> = new Map([["cpu", cpuBackend]]);

/**
 * The backend of a device that is open.
 *
 * Throws `ERR_QKNORM_DEVICE` for what is no device, and for one that was never opened, or was closed.
 */
export function backendOf(device: Device): Backend {
  const backend = openDevices.get(device);
  if (backend !== undefined) return backend;
  parseDevice(device);
  throw new QkNormError(
    "ERR_QKNORM_DEVICE",
    `${device} is not open; open it first: await openDevice("${device}")`,
  );
}

// An array is one memory, however many tensors are made of it: q and k in one array repeat as packed ones do.
const ofArrays = new WeakMap<HostArray, Memory>();

/** V8 memory as that of a tensor. */
export function hostMemory(array: HostArray): Memory {
  let memory = ofArrays.get(array);
  if (memory === undefined) {
    memory = new CpuMemory(cpuBackend, array);
    ofArrays.set(array, memory);
  }
  return memory;
}

/**
 * Bytes that an allocation on a device may still get, by its memory and its budget; `null` for the CPU, whose memory is the
 * garbage collector's. Waits for what is queued. Throws `ERR_QKNORM_DEVICE` for a device that is not open, `ERR_CUDA`.
 */
export function freeBytes(device: Device): number | null {
  return backendOf(device).freeBytes?.() ?? null;
}

/**
 * Bytes that all threads have allocated on a device, memory that a graph still keeps included. A program that frees what
 * it makes sees 0 in the end.
 *
 * Throws `ERR_QKNORM_DEVICE` for a device that is not open, and for the CPU, whose memory is the garbage collector's.
 */
export function liveBytes(device: Device): number {
  const { liveBytes: count } = backendOf(device);
  if (count !== null) return count();
  throw new QkNormError(
    "ERR_QKNORM_DEVICE",
    `the memory of the ${device} is the garbage collector's to count`,
  );
}
