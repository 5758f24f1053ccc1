// npm run coverage [-- TEST ...]: the tests, all or those that are named, and which lines and branches of each package they ran.
// Of the TypeScript; what runs in processes of their own, and the C++ of the addon, is not seen. Ends with vitest's status.
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { published } from "./published.mjs";
import { root, setUp } from "./setup.mjs";

const tests = process.argv.slice(2);
const packages = published.filter(
  (folder) => tests.length === 0 || tests.some((test) => test.startsWith(folder)),
);
const out = join(root, "coverage");

setUp();
rmSync(out, { recursive: true, force: true });
const { status } = spawnSync(
  process.execPath,
  [
    ...["node_modules/vitest/vitest.mjs", "run", "--reporter=dot", ...tests],
    ...["--coverage.enabled", "--coverage.provider=v8", "--coverage.reportOnFailure"],
    ...["--coverage.reporter=json-summary", "--coverage.reporter=html", `--coverage.reportsDirectory=${out}`],
    ...packages.map((folder) => `--coverage.include=${folder}/src/**/*.ts`),
    "--coverage.exclude=**/*.test{,-d}.ts",
  ],
  {
    cwd: root,
    stdio: "inherit",
    env: process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: "1" },
  },
);

const { total, ...files } = JSON.parse(readFileSync(join(out, "coverage-summary.json"), "utf8"));
for (const folder of packages) {
  const own = Object.entries(files).filter(([path]) => relative(root, path).startsWith(`${folder}/`));
  const shares = ["lines", "branches"].map((what) => `${share(own, what).toFixed(1)} % of ${what}`);
  process.stdout.write(`${folder.padEnd(16)} ${shares.join(", ")}\n`);
}
process.stdout.write(`${(total.lines.pct ?? 0).toFixed(1)} % of all lines; each file: coverage/index.html\n`);
process.exitCode = status ?? 1;

/** Per cent of the lines or branches of these files that a test ran. */
function share(entries, what) {
  const [covered, all] = ["covered", "total"].map((key) =>
    entries.reduce((sum, [, summary]) => sum + summary[what][key], 0),
  );
  return all === 0 ? 100 : (100 * covered) / all;
}
