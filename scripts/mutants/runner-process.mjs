// Runs test files in one vitest that stays, so that only what changed is transformed again. Asked by messages `{ changed, tests }`;
// answers `{ failures: [{ file, test }], seconds: { file: seconds } }`, both by names below the root.
import { relative } from "node:path";
import { createVitest } from "vitest/node";

const [, , root, bail, workers] = process.argv;
let failures = [];
let seconds = {};
const fail = (file, test) => failures.push({ file: relative(root, file), test });
const reporter = {
  // At once: after the first failure the run is given up, and may not come to the end of the file.
  onTestCaseResult(test) {
    if (test.result().state === "failed") fail(test.module.moduleId, test.fullName);
  },
  onTestModuleEnd(module) {
    const { duration, collectDuration } = module.diagnostic();
    seconds[relative(root, module.moduleId)] = (duration + collectDuration) / 1000;
    if (module.state() === "failed" && failures.length === 0) fail(module.moduleId, "does not load");
  },
};
const vitest = await createVitest("test", {
  root,
  config: "scripts/mutants/vitest.config.mjs",
  watch: false,
  bail: Number(bail),
  maxWorkers: Number(workers),
  reporters: [reporter],
});
process.on("message", async ({ changed, tests }) => {
  for (const file of changed) vitest.invalidateFile(file);
  const wanted = new Set(tests);
  const all = await vitest.globTestSpecifications(tests);
  failures = [];
  seconds = {};
  const { unhandledErrors } = await vitest.runTestSpecifications(
    all.filter(({ moduleId }) => wanted.has(moduleId)),
    false,
  );
  if (failures.length === 0 && unhandledErrors.length > 0)
    fail(root, `an error that no test caught: ${unhandledErrors[0].message}`);
  // What was not seen to its end must not read as a pass.
  const missing = tests.map((test) => relative(root, test)).filter((test) => !(test in seconds));
  if (failures.length === 0 && missing.length > 0) fail(missing[0], "does not end");
  process.send({ failures, seconds });
});
process.send("ready");
