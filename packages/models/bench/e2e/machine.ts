import { backendOf, type Device } from "@qknorm/tensor";
import { measureFloors } from "../../../../native/gpu/bench/floors.ts";
import { Timer } from "../../../../native/gpu/bench/timer.ts";
import { cudaDevice, Jit } from "../../../../native/src/index.ts";
import { cudaStream } from "../../../tensor/src/cuda.ts";
import type { Found } from "./results.ts";

/** What the machine is, and the rate of a copy there. */
export function machine({ device }: { readonly device: Device }): Found {
  const versions = { node: process.version };
  if (device === "cpu") return { device: backendOf(device).describe(), versions };
  const ordinal = Number(device.slice("cuda:".length));
  const stream = cudaStream(ordinal);
  const jit = new Jit({ folder: null, seeds: [] });
  const { copyTBs } = measureFloors(new Timer(stream, jit), stream, jit);
  return { device: cudaDevice(ordinal).name, copyTBs, versions };
}
