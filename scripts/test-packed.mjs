// npm run test:packed [-- NAME ...]: packs all packages, installs them by npm and pnpm in empty projects, and tests them there:
// on Node 20, 22 and 24, Bun and Deno; their types, what linters of packages say, the page of tensor libraries; then the test
// suite again, on what was installed, with each Node. NAMEs pick files of scripts/packed, or `suite`. Ends with
// "N passed, N failed". Needs a registry, and takes 10 to 25 minutes on two cores; `npm test` does none of it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pack } from "./pack.mjs";
import { makeProject, tarballsIn } from "./packed/project.mjs";
import { executables, installRuntimes } from "./packed/runtimes.mjs";
import { root } from "./setup.mjs";

const names = process.argv.slice(2);
const packed = join(root, "build", "packed");
const counts = { passed: 0, failed: 0, skipped: 0 };

pack(packed);
installRuntimes();
const files = names.filter((name) => name !== "suite");
if (names.length === 0 || files.length > 0) {
  const env = { QKNORM_PACKED: packed };
  vitest("the packages", process.execPath, ["--config", "scripts/packed/vitest.config.mjs", ...files], env);
}
if (names.length === 0 || names.includes("suite")) testSuite();
const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;

function testSuite() {
  const place = mkdtempSync(join(tmpdir(), "qknorm-suite-"));
  try {
    makeProject(place, { installer: "npm", tarballs: tarballsIn(packed), packages: [] });
    for (const node of ["node20", "node22", "node24"]) {
      const args = ["--config", "scripts/packed/suite.config.mjs"];
      vitest(`the test suite on ${node}`, executables[node], args, { QKNORM_INSTALLED: place });
    }
  } finally {
    rmSync(place, { recursive: true, force: true });
  }
}

/** Runs vitest and counts; a run that dies without a report must not read as a pass. */
function vitest(what, node, args, env) {
  process.stdout.write(`${what}\n`);
  const report = join(root, ".qknorm", "packed.json");
  rmSync(report, { force: true });
  const reporters = ["--reporter=dot", "--reporter=json", `--outputFile.json=${report}`];
  const { status } = spawnSync(node, ["node_modules/vitest/vitest.mjs", "run", ...reporters, ...args], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, ...env },
  });
  try {
    const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(report, "utf8"));
    counts.passed += numPassedTests;
    counts.skipped += numPendingTests;
    counts.failed += status === 0 ? numFailedTests : Math.max(numFailedTests, 1);
  } catch (error) {
    process.stdout.write(`vitest left no report: ${error.message}\n`);
    counts.failed += 1;
  }
}
