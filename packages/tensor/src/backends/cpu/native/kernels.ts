import { cpuIsa, loadBinding, preferHugePages, threadCount } from "@qknorm/native/cpu";
import type { CpuKernels } from "../kernels.ts";
import { likeliest } from "../typescript/likeliest.ts";
import { route } from "../typescript/route.ts";
import { sample } from "../typescript/sample.ts";
import { add } from "./add.ts";
import { attention } from "./attention.ts";
import { causalConv } from "./causal-conv.ts";
import { convert } from "./convert.ts";
import { gatedDeltaRule } from "./gated-delta-rule.ts";
import { gatherRows } from "./gather-rows.ts";
import { linear } from "./linear.ts";
import { moe } from "./moe.ts";
import { mul } from "./mul.ts";
import { normalize } from "./normalize.ts";
import { pointwise } from "./pointwise.ts";
import { project } from "./project.ts";
import { nativeQkNorm } from "./qk-norm.ts";
import { rope } from "./rope.ts";
import { siluMul } from "./silu-mul.ts";
import { writeCache } from "./write-cache.ts";
import { xielu } from "./xielu.ts";

export { nativeQkNorm };

/** The native kernels, or why there are none. */
export type NativeKernels =
  | { readonly kernels: CpuKernels; readonly reason: null; readonly remedy: null }
  | { readonly kernels: null; readonly reason: string; readonly remedy: string | null };

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
  if (opened.binding === null) return { kernels: null, reason: opened.reason, remedy: opened.remedy };
  const threads = threadCount();
  const name = `native kernels, ${cpuIsa()}, ${threads} thread${threads === 1 ? "" : "s"}`;
  // route, likeliest and sample have no native kernel yet: TypeScript over the same memory.
  const ops = {
    normalize,
    linear,
    project,
    rope,
    attention,
    siluMul,
    pointwise,
    xielu,
    mul,
    add,
    route,
    moe,
    causalConv,
    gatedDeltaRule,
    writeCache,
    gatherRows,
    likeliest,
    sample,
    convert,
  };
  return {
    kernels: { name, ops, qkNorm: nativeQkNorm, prepare: preferHugePages },
    reason: null,
    remedy: null,
  };
}
