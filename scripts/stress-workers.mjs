// npm run stress:workers [rounds] [function ...]: native/test/worker-endings.test.ts with 300 endings for each case instead of a few;
// in the named functions of the addon alone, where some are named.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

const reason = setUp();
if (reason !== null) throw new Error(`no native addon to stress: ${reason}`);
const [rounds = "300", ...names] = process.argv.slice(2);
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/vitest/vitest.mjs"),
    ...["run", "native/test/worker-endings.test.ts"],
    ...(names.length > 0 ? ["-t", `alive in (${names.join("|")})$`] : []),
  ],
  { cwd: root, env: { ...process.env, QKNORM_ENDINGS: rounds }, stdio: "inherit" },
);
process.exitCode = status ?? 1;
