import type { LaunchConfig } from "../../src/index.ts";

/** One of each way that qk_norm.cu may be launched: few and many lanes and rows, every trigger, loops. */
export const launchConfigs: readonly LaunchConfig[] = [
  { lanes: 16, rows: 1, block: 256, trigger: 1, loop: 0, waves: 0, prefetch: 1, radix: 4 },
  { lanes: 16, rows: 1, block: 192, trigger: 5, loop: 0, waves: 0, prefetch: 1, radix: 4 },
  { lanes: 16, rows: 1, block: 128, trigger: 4, loop: 0, waves: 0, prefetch: 1, radix: 4 },
  { lanes: 16, rows: 2, block: 256, trigger: 2, loop: 0, waves: 0, prefetch: 1, radix: 2 },
  { lanes: 8, rows: 4, block: 128, trigger: 3, loop: 0, waves: 0, prefetch: 0, radix: 2 },
  { lanes: 4, rows: 1, block: 64, trigger: 0, loop: 0, waves: 0, prefetch: 0, radix: 4 },
  { lanes: 16, rows: 2, block: 256, trigger: 3, loop: 1, waves: 4, prefetch: 0, radix: 2 },
  { lanes: 16, rows: 2, block: 128, trigger: 3, loop: 2, waves: 8, prefetch: 1, radix: 2 },
];

/** `l16r2b128t3p8f`, as the benchmark's notes name them. */
export function nameOf(config: LaunchConfig): string {
  const { lanes, rows, block, trigger, loop, waves, prefetch, radix, late = 0, resident = 1 } = config;
  const persistent = loop === 0 ? "" : `p${waves}${loop === 2 ? "f" : ""}`;
  return `l${lanes}r${rows}b${block}t${trigger}${persistent}${radix === 4 ? "s" : ""}${["", "e", "g"][prefetch]}${late ? "a" : ""}${resident > 1 ? `m${resident}` : ""}`;
}
