// npm run mutants -- [--count N] [--seed N] [--part NAME] [--out FILE] [--again FILE] [--test PATH]: plants one fault after another in
// a copy of this tree, and runs the tests that come by it until one fails. All tests of the parts run once before, to learn which those
// are; `--test` names those that may judge, by a piece of their path. Writes a report as JSON; `--again` judges those of a report that no
// test saw, or a list of faults, and writes into it what became of them. A few seconds for each fault, and a minute for one in C++.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { drawn, PARTS, read, recorded } from "./mutants/draw.mjs";
import { namedTests, reachedIn, testsOf, testsWithoutProbes, withProbes } from "./mutants/near.mjs";
import { page, pagePath } from "./mutants/page.mjs";
import { Runner } from "./mutants/runner.mjs";
import { copyTree, plant, sourceOf, tree } from "./mutants/tree.mjs";
import { root, setUp } from "./setup.mjs";

/** Seconds of tests in one run of the runner: quick ones and near ones come before the others. */
const SECONDS_AT_ONCE = 20;

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    part: { type: "string", multiple: true, default: Object.keys(PARTS) },
    out: { type: "string", default: ".qknorm/mutants.json" },
    again: { type: "string" },
    test: { type: "string", multiple: true, default: [] },
    page: { type: "boolean", default: false },
  },
});

if (values.page) {
  writeFileSync(pagePath, page());
  process.exit();
}
const reason = setUp();
if (reason !== null) throw new Error(`no native addon to plant faults in: ${reason}`);
copyTree();
const seed = Number(values.seed);
const queues = values.again ? [recorded(values.again)] : values.part.map((part) => drawn(part, seed));
const wanted = values.again ? queues[0].length : Number(values.count);
// Some are no program and are passed over.
const candidates = queues
  .flatMap((queue) => queue.slice(0, 2 * wanted))
  .map((mutant, number) => ({ ...mutant, number }));
const runner = new Runner(tree, cpus().length);
const { seconds, reached, failing } = await withoutFaults();
const report = values.again ? read(values.again) : { seed, mutants: [] };
const judged = new Map();
for (const mutant of candidates) {
  if ((judged.get(mutant.part) ?? 0) >= wanted) continue;
  const outcome = await judge(mutant);
  if (outcome === null) continue;
  judged.set(mutant.part, (judged.get(mutant.part) ?? 0) + 1);
  record(mutant, outcome);
}
runner.end();

/** Runs every test once, with probes at the places of all faults. */
async function withoutFaults() {
  const parts = [...new Set(candidates.map(({ part }) => part))];
  const tests = [...new Set(parts.flatMap(testsOf))].filter(isAsked);
  say(`${tests.length} test files without a fault`);
  const probes = withProbes(candidates);
  const answer = await runner.ask({ tests, environment: { QKNORM_REACHED: probes.folder }, bail: 0 });
  probes.after();
  runner.end();
  if (answer === null) throw new Error("the tests never ended");
  const failing = answer.failures.map(({ file }) => file);
  for (const { file, test } of answer.failures)
    say(`judges nothing, it fails without a fault: ${file} ${test}`);
  return { seconds: answer.seconds, reached: reachedIn(probes.folder), failing };
}

/** How the tests take it: `{ end, by, test }`, or null where it is no program. */
async function judge(mutant) {
  const source = sourceOf(mutant.file);
  const changed = source.slice(0, mutant.at) + mutant.text + source.slice(mutant.at + mutant.length);
  plant(mutant.file, changed);
  try {
    if (isCompiled(mutant.file) && !(await build())) return null;
    for (const tests of batches(mutant)) {
      const limit = 60 + 8 * sum(tests.map((test) => seconds[test] ?? 5));
      const answer = await runner.ask({ changed: [mutant.file], tests, bail: 1, limit });
      if (answer === null) return { end: "killed", by: tests.join(" "), test: "never ends" };
      const [first] = answer.failures;
      if (first !== undefined) return { end: "killed", by: first.file, test: first.test };
    }
    return { end: "survived" };
  } finally {
    plant(mutant.file, source);
    runner.touch(mutant.file);
  }
}

/** The tests that come by it, those near it by name first, then by their time. */
function batches(mutant) {
  const named = namedTests(mutant);
  const others =
    mutant.probe === undefined
      ? testsWithoutProbes(mutant, reached.kernelsOf)
      : (reached.tests.get(mutant.number) ?? []);
  const rest = others
    .filter((test) => !named.includes(test))
    .sort((a, b) => (seconds[a] ?? 0) - (seconds[b] ?? 0));
  const all = [[], []];
  for (const [list, tests] of [named, rest].entries()) {
    let batch = [];
    for (const test of tests.filter((name) => isAsked(name) && !failing.includes(name))) {
      if (sum(batch.map((name) => seconds[name] ?? 0)) > SECONDS_AT_ONCE) {
        all[list].push(batch);
        batch = [];
      }
      batch.push(test);
    }
    if (batch.length > 0) all[list].push(batch);
  }
  return all.flat();
}

function record({ number, probe, at, ...mutant }, outcome) {
  const same = ({ file, code, column, text }) =>
    file === mutant.file && code === mutant.code && column === mutant.column && text === mutant.text;
  const known = report.mutants.find(same);
  // What no test saw at first was told by a test that was written since.
  const first = known?.end === "survived" || known?.first ? { first: "survived" } : {};
  if (known === undefined) report.mutants.push({ ...mutant, ...outcome });
  else Object.assign(known, mutant, { by: undefined, test: undefined }, outcome, first);
  const out = resolve(root, values.again ?? values.out);
  mkdirSync(dirname(out), { recursive: true });
  const lines = report.mutants.map((one) => `  ${JSON.stringify(one)}`).join(",\n");
  writeFileSync(out, `{\n "seed": ${report.seed},\n "mutants": [\n${lines}\n ]\n}\n`);
  const place = `${mutant.file}:${mutant.line} ${mutant.kind}`;
  say(`${judged.get(mutant.part)} ${outcome.end} ${place} | ${outcome.test ?? mutant.code.trim()}`);
}

function isAsked(test) {
  return values.test.length === 0 || values.test.some((part) => test.includes(part));
}

function isCompiled(file) {
  return /\.(cc|h)$/.test(file);
}

function build() {
  const cmakeJs = join(root, "native/node_modules/cmake-js/bin/cmake-js");
  const child = spawn(process.execPath, [cmakeJs, "compile", "--out", "build"], {
    cwd: join(tree, "native"),
    stdio: "ignore",
  });
  return new Promise((resolve) => child.once("close", (status) => resolve(status === 0)));
}

function sum(numbers) {
  return numbers.reduce((all, number) => all + number, 0);
}

function say(text) {
  process.stdout.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}
