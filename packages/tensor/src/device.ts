import { QkNormError } from "@qknorm/core";
import { shown } from "./strides.ts";

/** A CUDA device by its ordinal: `cuda:0`. */
export type CudaDeviceName = `cuda:${number}`;

/** Where a tensor lies. */
export type Device = "cpu" | CudaDeviceName;

/** What a device that must be opened is, and which of its kind. */
export interface DeviceName {
  readonly kind: "cuda";
  readonly ordinal: number;
}

/** The parts of a device's name, `null` for the CPU. Throws `ERR_QKNORM_DEVICE` for anything else. */
export function parseDevice(device: unknown): DeviceName | null {
  if (device === "cpu") return null;
  const [, kind, digits] = (typeof device === "string" && /^(cuda):(0|[1-9]\d{0,3})$/.exec(device)) || [];
  if (kind !== undefined) return { kind: kind as DeviceName["kind"], ordinal: Number(digits) };
  const seen = typeof device === "string" ? JSON.stringify(device) : shown(device);
  throw new QkNormError("ERR_QKNORM_DEVICE", `device must be "cpu" or "cuda:<ordinal>", got ${seen}`);
}
