// npm run fuzz: the codemod on 10,000 random spellings of the step and as many near misses, and on 10,000 programs that keep q or k,
// run before and after with a helper that overwrites them, in TypeScript and in Python.
// FUZZ_CASES sets another number.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

setUp();
const files = ["script-fuzz", "python-fuzz", "script-differential", "python-differential"].map(
  (name) => `codemods/src/plan/${name}`,
);
const args = ["run", "--reporter=verbose", "--testTimeout=3600000", ...files, ...process.argv.slice(2)];
const env = { FUZZ_CASES: "10000", ...process.env };
const script = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit", env });
process.exitCode = status ?? 1;
