import { QkNormError } from "@qknorm/core";
import { shown } from "./strides.ts";

/** A CUDA device by its ordinal: `cuda:0`. */
export type CudaDeviceName = `cuda:${number}`;

/** Where a tensor lies. */
export type Device = "cpu" | CudaDeviceName;

/** The ordinal of a CUDA device, `null` for the CPU. Throws `ERR_QKNORM_DEVICE` for anything else. */
export function ordinalOf(device: unknown): number | null {
  if (device === "cpu") return null;
  const digits = typeof device === "string" ? /^cuda:(0|[1-9]\d{0,3})$/.exec(device)?.[1] : undefined;
  if (digits !== undefined) return Number(digits);
  const seen = typeof device === "string" ? JSON.stringify(device) : shown(device);
  throw new QkNormError("ERR_QKNORM_DEVICE", `device must be "cpu" or "cuda:<ordinal>", got ${seen}`);
}
