import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { kernelStatus } from "@qknorm/tensor";
import { readHeldOutSums, score, variants } from "./sums.ts";

/** Points that a variant may differ from transformers' accuracy. */
const tolerance = 0.2;

/**
 * All held-out sums through every path, beside transformers' own accuracy. Writes results/accuracy.json and exits with
 * 1 when a variant is further off than the tolerance, or f32 answers are not identical.
 */
function main(): number {
  const sums = readHeldOutSums();
  const rows = variants.map((variant) => {
    const { prompts, right, same } = score(sums, variant);
    const theirs = 100 * (variant.dtype === "f32" ? sums.accuracy.float32 : sums.accuracy.bfloat16);
    const accuracy = (100 * right) / prompts;
    const ok = Math.abs(accuracy - theirs) <= tolerance && (variant.dtype !== "f32" || same === prompts);
    process.stdout.write(
      `${variant.dtype.padEnd(4)}  ${variant.rounding.padEnd(4)}  ${variant.path === "auto" ? "fused   " : "fallback"}  ` +
        `${accuracy.toFixed(1)} %  (transformers ${theirs.toFixed(1)} %), ${same} of ${prompts} answers identical` +
        `${ok ? "" : "  FAILED"}\n`,
    );
    return { ...variant, prompts, right, same, accuracy, transformers: theirs, ok };
  });
  const kernels = kernelStatus().running;
  const folder = join(dirname(fileURLToPath(import.meta.url)), "../results");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "accuracy.json"), `${JSON.stringify({ kernels, rows }, null, 2)}\n`);
  process.stdout.write(`on ${kernels}\n`);
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

process.exitCode = main();
