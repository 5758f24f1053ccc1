// npm run bench: measures, writes the results as JSON, and the documents' tables from them.

import { writeNumbers } from "./numbers.mjs";
import { setUp } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

const missing = setUp();
if (missing !== null) {
  process.stderr.write(`the benchmarks compare native kernels, and there are none: ${missing}\n`);
  process.exit(1);
}
for (const bench of [
  "native/bench/qk-norm.bench.ts",
  "native/bench/linear.bench.ts",
  "packages/tensor/bench/apply-qk-norm.bench.ts",
  "packages/tensor/bench/cpu-steps.bench.ts",
]) {
  process.stdout.write(`\n${bench}\n`);
  const status = await runTypeScript(bench, []);
  if (status !== 0) process.exit(status);
}
writeNumbers();
