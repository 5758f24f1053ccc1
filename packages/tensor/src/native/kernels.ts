import { cpuIsa, loadBinding, threadCount } from "@qknorm/native";
import type { Kernels } from "../kernels.ts";
import { typed } from "../native-errors.ts";
import { add, attention, convert, gatherRows, linear, rope, siluMul } from "./forward.ts";
import { normalize } from "./normalize.ts";
import { prepareQkNorm } from "./qk-norm.ts";

/** The native kernels, or why there are none. */
export type NativeKernels =
  | { readonly kernels: Kernels; readonly reason: null }
  | { readonly kernels: null; readonly reason: string };

let loaded: NativeKernels | undefined;

/**
 * Opens the addon on first use, once per thread. Throws `ERR_QKNORM_ARGUMENT` when `QKNORM_CPU_ISA` names an
 * instruction set that is not here: running something else instead would hide the mistake.
 */
export function loadNativeKernels(): NativeKernels {
  loaded ??= open();
  return loaded;
}

function open(): NativeKernels {
  const opened = loadBinding();
  if (opened.binding === null) return { kernels: null, reason: opened.reason };
  const threads = typed(threadCount)();
  const name = `native kernels, ${typed(cpuIsa)()}, ${threads} thread${threads === 1 ? "" : "s"}`;
  const kernels: Kernels = {
    name,
    normalize: typed(normalize),
    prepareQkNorm,
    linear: typed(linear),
    rope: typed(rope),
    attention: typed(attention),
    siluMul: typed(siluMul),
    add: typed(add),
    gatherRows: typed(gatherRows),
    convert: typed(convert),
  };
  return { kernels, reason: null };
}
