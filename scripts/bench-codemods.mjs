// npm run bench:codemods: builds the command as it is published and measures it beside others; writes codemods/README.md's table.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { root } from "./setup.mjs";
import { runTypeScript } from "./typescript.mjs";

const { status } = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "inherit" });
process.exitCode =
  status === 0 ? await runTypeScript("codemods/bench/speed.bench.ts", process.argv.slice(2)) : 1;
