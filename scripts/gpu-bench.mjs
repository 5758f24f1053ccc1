// npm run bench:gpu: makes the portable folder and runs its benchmark here, on a machine with a GPU; arguments go to it.
// npm run bench:e2e: the same with the benchmark of whole models. Either with `-- --from FILE.json` takes the results of
// a run elsewhere. Then the documents' tables and plots.
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { bundle } from "./gpu-bundle.mjs";
import { writeNumbers } from "./numbers.mjs";
import { root } from "./setup.mjs";

const results = join(root, "native/gpu/results");
const endToEnd = process.argv[2] === "--e2e";
const args = process.argv.slice(endToEnd ? 3 : 2);
if (args[0] === "--from" && args[1] !== undefined) {
  const file = resolve(process.env.INIT_CWD ?? ".", args[1]);
  cpSync(file, join(results, basename(file)));
} else {
  const folder = join(root, "build/gpu");
  await bundle(folder);
  const env = { ...process.env, QKNORM_OUT: results };
  const command = endToEnd ? "bench-e2e" : "bench";
  const { status } = spawnSync(join(folder, "run"), [command, ...args], { stdio: "inherit", env });
  if (status !== 0) process.exit(status ?? 1);
}
writeNumbers();
