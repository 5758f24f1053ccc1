// npm test: sets up what is missing, then type check, lint and every test. Ends with "N passed, N failed".
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root, setUp } from "./setup.mjs";

const missing = setUp();
if (missing !== null) process.stdout.write(`native tests are skipped: ${missing}\n`);

const report = join(root, ".qknorm", "vitest.json");
rmSync(report, { force: true });

const counts = { passed: 0, failed: 0, skipped: 0 };
step("type check", "typescript-7/bin/tsc", ["-p", "tsconfig.json"]);
step("lint and format", "@biomejs/biome/bin/biome", ["check", "--error-on-warnings", "."]);
step("imports", "dependency-cruiser/bin/dependency-cruise.mjs", [
  "--config",
  ".dependency-cruiser.mjs",
  ...["packages", "native", "examples", "codemods"],
]);
const status = bin("vitest/vitest.mjs", [
  "run",
  `--reporter=${process.stdout.isTTY ? "default" : "dot"}`,
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...process.argv.slice(2),
]);
countVitest(status);

const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
process.stdout.write(`${counts.passed} passed, ${counts.failed} failed${skipped}\n`);
process.exitCode = counts.failed === 0 ? 0 : 1;

function step(name, script, args) {
  const ok = bin(script, args) === 0;
  counts[ok ? "passed" : "failed"] += 1;
  process.stdout.write(`${ok ? "passed" : "FAILED"}: ${name}\n`);
}

function bin(script, args) {
  const path = join(root, "node_modules", script);
  const env = process.stdout.isTTY ? process.env : { ...process.env, NO_COLOR: "1" };
  return spawnSync(process.execPath, [path, ...args], { cwd: root, stdio: "inherit", env }).status;
}

// A run that dies without a report, or fails outside any test, must not read as a pass.
function countVitest(status) {
  try {
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests } = JSON.parse(
      readFileSync(report, "utf8"),
    );
    counts.passed += numPassedTests;
    counts.failed += numFailedTests;
    counts.skipped += numPendingTests + numTodoTests;
  } catch (error) {
    process.stdout.write(`vitest left no report: ${error.message}\n`);
    counts.failed += 1;
    return;
  }
  if (status !== 0 && counts.failed === 0) counts.failed += 1;
}
