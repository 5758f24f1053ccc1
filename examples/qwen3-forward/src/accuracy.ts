import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { backendOf, type Device, openDevice } from "@qknorm/tensor";
import { readHeldOutSums, score, variants } from "./sums.ts";

/** Points that a variant may differ from transformers' accuracy. */
const tolerance = 0.2;

/**
 * All held-out sums through every path, beside transformers' own accuracy; `--device` says where, `--count` how many.
 * Writes results/accuracy.json, or what `--out` names, and ends with 1 when a variant is further off than the tolerance,
 * or f32 answers are not identical.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      device: { type: "string", default: "cpu" },
      count: { type: "string" },
      out: {
        type: "string",
        default: join(dirname(fileURLToPath(import.meta.url)), "../results/accuracy.json"),
      },
    },
  });
  const sums = readHeldOutSums();
  const device = (values.device === "cuda" ? "cuda:0" : values.device) as Device;
  const count = values.count === undefined ? sums.prompts.length : Number(values.count);
  await openDevice(device);
  const rows = variants.map((variant) => {
    const started = performance.now();
    const { prompts, right, same } = score(sums, variant, { count, device });
    const theirs = 100 * (variant.dtype === "f32" ? sums.accuracy.float32 : sums.accuracy.bfloat16);
    const accuracy = (100 * right) / prompts;
    const ok = Math.abs(accuracy - theirs) <= tolerance && (variant.dtype !== "f32" || same === prompts);
    process.stdout.write(
      `${variant.dtype.padEnd(4)}  ${variant.rounding.padEnd(4)}  ${variant.path === "auto" ? "fused   " : "fallback"}  cache ${(variant.cacheDtype ?? variant.dtype).padEnd(4)}  ` +
        `${accuracy.toFixed(1)} %  (transformers ${theirs.toFixed(1)} %), ${same} of ${prompts} answers identical, ` +
        `${((performance.now() - started) / 1000).toFixed(1)} s${ok ? "" : "  FAILED"}\n`,
    );
    return { ...variant, prompts, right, same, accuracy, transformers: theirs, ok };
  });
  const running = backendOf(device).describe();
  const out = resolve(process.env.INIT_CWD ?? ".", values.out);
  mkdirSync(dirname(out), { recursive: true });
  writeFileSync(out, `${JSON.stringify({ kernels: running, rows }, null, 2)}\n`);
  process.stdout.write(`on ${running}\n`);
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

process.exitCode = await main();
