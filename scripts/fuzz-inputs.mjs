// npm run fuzz:inputs [seconds [file ...]]: everything that reads what others wrote, on random inputs, each for so many seconds:
// safetensors, config.json and tokenizer.json, the arguments of qknorm-run and of qknorm-codemod, its configuration, and the boundary
// of the addon; or what stands in test files of these names, such as spoilt or ops-garbage.
// A case that fails is shown with its seed, made as small as it gets. Prints how many cases there were.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

setUp();
const [seconds = "60", ...names] = process.argv.slice(2);
const all = [
  "packages/models/test/spoilt-files.test.ts",
  "packages/run/test/spoilt-arguments.test.ts",
  "codemods/test/spoilt-input.test.ts",
  "native/test/ops-garbage.test.ts",
  "native/test/cuda-garbage.test.ts",
];
const files = names.length === 0 ? all : all.filter((file) => names.some((name) => file.includes(name)));
if (files.length === 0)
  throw new Error(`no inputs stand in ${names.join(", ")}; there are ${all.join(", ")}`);
const report = join(root, ".qknorm", "fuzz.jsonl");
mkdirSync(join(root, ".qknorm"), { recursive: true });
rmSync(report, { force: true });
writeFileSync(report, "");
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "--maxWorkers=1", ...files],
  {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, FUZZ_SECONDS: seconds, FUZZ_REPORT: report },
  },
);
process.stdout.write(readFileSync(report, "utf8"));
process.exitCode = status ?? 1;
