import { cpuIsa, loadBinding } from "@qknorm/native";
import type { Kernels } from "../kernels.ts";
import { typescriptKernels } from "../typescript/kernels.ts";
import { normalize } from "./normalize.ts";

/** The native kernels, or why there are none. */
export type NativeKernels =
  | { readonly kernels: Kernels; readonly reason: null }
  | { readonly kernels: null; readonly reason: string };

let loaded: NativeKernels | undefined;

/** Opens the addon on first use, once per thread. */
export function loadNativeKernels(): NativeKernels {
  loaded ??= open();
  return loaded;
}

function open(): NativeKernels {
  const opened = loadBinding();
  if (opened.binding === null) return { kernels: null, reason: opened.reason };
  return { kernels: { ...typescriptKernels, name: `native ${cpuIsa()}`, normalize }, reason: null };
}
