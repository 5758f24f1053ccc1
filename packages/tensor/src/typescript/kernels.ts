import type { Kernels } from "../kernels.ts";
import { attention } from "./attention.ts";
import { add, convert, gatherRows, siluMul } from "./elementwise.ts";
import { linear } from "./linear.ts";
import { normalize } from "./normalize.ts";
import { rope } from "./rope.ts";

/** Plain TypeScript: correct everywhere and slow. It also is what the native kernels are tested against. */
export const typescriptKernels: Kernels = {
  name: "TypeScript kernels",
  normalize,
  prepareQkNorm: () => null,
  linear,
  rope,
  attention,
  siluMul,
  add,
  gatherRows,
  convert,
};
