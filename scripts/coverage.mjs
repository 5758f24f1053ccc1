// npm run coverage [-- TEST ...]: the tests, all or those that are named, and which lines and branches of each package they ran.
// Of the TypeScript; what runs in processes of their own, and the C++ of the addon, is not seen. Ends with vitest's status.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, rmSync } from "node:fs";
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

const files = summary();
if (files.length > 0) tell();
else process.stdout.write("no file of a package was measured: no tests were found, or vitest was ended\n");
process.exitCode = files.length > 0 ? (status ?? 1) : status || 1;

/** Of each file `[path, summary]`; none where vitest wrote no summary. */
function summary() {
  const path = join(out, "coverage-summary.json");
  if (!existsSync(path)) return [];
  const { total, ...each } = JSON.parse(readFileSync(path, "utf8"));
  return Object.entries(each);
}

function tell() {
  for (const folder of packages) {
    const own = files.filter(([path]) => relative(root, path).startsWith(`${folder}/`));
    const shares = ["lines", "branches"].map((what) => `${share(own, what).toFixed(1)} % of ${what}`);
    process.stdout.write(`${folder.padEnd(16)} ${shares.join(", ")}\n`);
  }
  process.stdout.write(
    `${share(files, "lines").toFixed(1)} % of all lines; each file: coverage/index.html\n`,
  );
}

/** Per cent of the lines or branches of these files that a test ran. */
function share(entries, what) {
  const [covered, all] = ["covered", "total"].map((key) =>
    entries.reduce((sum, [, summary]) => sum + summary[what][key], 0),
  );
  return all === 0 ? 100 : (100 * covered) / all;
}
