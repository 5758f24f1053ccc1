// npm run fuzz: the codemod on 10,000 random spellings of the step and as many near misses, in TypeScript and in Python.
// FUZZ_CASES sets another number.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

setUp();
const files = ["codemods/src/plan/script-fuzz", "codemods/src/plan/python-fuzz"];
const args = ["run", "--reporter=verbose", "--testTimeout=3600000", ...files, ...process.argv.slice(2)];
const env = { FUZZ_CASES: "10000", ...process.env };
const script = join(root, "node_modules", "vitest", "vitest.mjs");
const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: "inherit", env });
process.exitCode = status ?? 1;
