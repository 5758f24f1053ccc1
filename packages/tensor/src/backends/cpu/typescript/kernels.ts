import type { CpuKernels } from "../kernels.ts";
import { add } from "./add.ts";
import { attention } from "./attention.ts";
import { causalConv } from "./causal-conv.ts";
import { convert } from "./convert.ts";
import { gatedDeltaRule } from "./gated-delta-rule.ts";
import { gatherRows } from "./gather-rows.ts";
import { likeliest } from "./likeliest.ts";
import { linear } from "./linear.ts";
import { moe } from "./moe.ts";
import { mul } from "./mul.ts";
import { normalize } from "./normalize.ts";
import { pointwise } from "./pointwise.ts";
import { typescriptQkNorm } from "./qk-norm.ts";
import { rope } from "./rope.ts";
import { route } from "./route.ts";
import { sample } from "./sample.ts";
import { siluMul } from "./silu-mul.ts";
import { writeCache } from "./write-cache.ts";
import { xielu } from "./xielu.ts";

/** Plain TypeScript: correct everywhere and slow. It also is what the native kernels are tested against. */
export const typescriptKernels: CpuKernels = {
  name: "TypeScript kernels",
  ops: {
    normalize,
    linear,
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
  },
  qkNorm: typescriptQkNorm,
};
