// Packed QKV for the tests of the launchers, and what the stand-in driver notes of a launch.
import { expect } from "vitest";
import { CudaKernels, type CudaNormForm, type CudaNormSide, cudaDevice, Jit } from "../src/index.ts";
import { notes } from "./cuda-fake.ts";

export const form: CudaNormForm = {
  ...{ headDim: 128, dtype: "bf16", kind: "rms", weight: "bf16", bias: null, weightOffset: 0 },
  ...{ rounding: "once", inPlace: true, alignment: 16, weightAlignment: 16 },
} as const;

// q [T, 8, 128], k and v [T, 2, 128], packed: 12 heads of 256 bytes to a token.
export const head = 256;
export const token = 12 * head;
export const q: CudaNormSide = { heads: 8, eps: 1e-6, tokenStride: token, headStride: head };
export const k: CudaNormSide = { heads: 2, eps: 1e-5, tokenStride: token, headStride: head };
export const kStart = 8 * head;

export const device = { name: "NVIDIA H200", arch: "sm_90" };

export const fresh = () => new CudaKernels(cudaDevice(0), new Jit({ folder: null, seeds: [] }));

/** Kernels that were started for the first time with their arguments: by themselves, or as the one node of a graph. */
export const launchesIn = (all: readonly string[]) => all.filter((note) => /^(launch|node) /.test(note));

/** The one launch of a norm among the notes: its arguments and its geometry. */
export function launched(all = notes()): { view: DataView; geometry: string } {
  const [only, ...others] = launchesIn(all);
  expect(others).toEqual([]);
  const [, geometry, hex] = /^(?:launch|node) sm_90 (.*) (?:qk|row)_norm ([0-9a-f]+)$/.exec(only ?? "") ?? [];
  const bytes = Uint8Array.from(Buffer.from(hex ?? "", "hex"));
  return { view: new DataView(bytes.buffer), geometry: geometry ?? "" };
}
