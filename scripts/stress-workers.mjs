// npm run stress:workers [rounds]: native/test/worker-endings.test.ts with 300 endings for each case instead of a few.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

const reason = setUp();
if (reason !== null) throw new Error(`no native addon to stress: ${reason}`);
const { status } = spawnSync(
  process.execPath,
  [join(root, "node_modules/vitest/vitest.mjs"), "run", "native/test/worker-endings.test.ts"],
  { cwd: root, env: { ...process.env, QKNORM_ENDINGS: process.argv[2] ?? "300" }, stdio: "inherit" },
);
process.exitCode = status ?? 1;
