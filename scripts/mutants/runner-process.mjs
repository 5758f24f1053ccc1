// Runs test files in one vitest that stays, so that only what changed is transformed again. Asked by messages `{ changed, tests }`;
// answers `{ failures: [{ file, test }], seconds: { file: seconds } }`.
import { relative } from "node:path";
import { createVitest } from "vitest/node";

const [, , root, bail, workers] = process.argv;
// What ended in the run that is asked for; vitest itself keeps those of earlier runs among them.
let ended = [];
const vitest = await createVitest("test", {
  root,
  config: "scripts/mutants/vitest.config.mjs",
  watch: false,
  bail: Number(bail),
  maxWorkers: Number(workers),
  reporters: [{ onTestModuleEnd: (module) => ended.push(module) }],
});
process.on("message", async ({ changed, tests }) => {
  for (const file of changed) vitest.invalidateFile(file);
  const wanted = new Set(tests);
  const all = await vitest.globTestSpecifications(tests);
  ended = [];
  const { unhandledErrors } = await vitest.runTestSpecifications(
    all.filter(({ moduleId }) => wanted.has(moduleId)),
    false,
  );
  const failures = ended.filter((module) => module.state() === "failed").map(failureOf);
  if (failures.length === 0 && unhandledErrors.length > 0) {
    failures.push({ file: "", test: `an error that no test caught: ${unhandledErrors[0].message}` });
  }
  const seconds = Object.fromEntries(
    ended.map((module) => [
      relative(root, module.moduleId),
      (module.diagnostic().duration + module.diagnostic().collectDuration) / 1000,
    ]),
  );
  process.send({ failures, seconds });
});
process.send("ready");

function failureOf(module) {
  const [first] = module.children.allTests("failed");
  return { file: relative(root, module.moduleId), test: first?.fullName ?? "does not load" };
}
