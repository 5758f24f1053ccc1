// npm run mutants -- [--count N] [--seed N] [--part NAME] [--out FILE] [--again FILE]: plants one fault after another in a copy of this
// tree, and runs the tests that are near it, then its package's, until one fails. `--again` takes the faults that survived in an
// earlier report. Writes a report as JSON, with every survivor; about ten seconds for each fault.
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { mutationsOf } from "./mutations.mjs";
import { root, setUp } from "./setup.mjs";

/** By part: files whose faults count, files left out, and tests that judge them when those near a file did not fail. */
const PARTS = {
  core: { files: /^packages\/core\/src\//, tests: ["packages/core", "packages/tensor/src/qk-norm"] },
  tensor: { files: /^packages\/tensor\/src\//, tests: ["packages/tensor"] },
  models: { files: /^packages\/models\/src\//, tests: ["packages/models"] },
  codemods: { files: /^codemods\/src\//, tests: ["codemods"] },
  native: {
    files: /^native\/(addon|cpu|cuda|src)\//,
    tests: ["native/test", "native/src", "packages/tensor/test", "packages/tensor/src/backends"],
    // One more build than one test for each: kernels are compiled three times.
    slow: /^native\/cpu\/kernels/,
  },
};
const MOST_PER_FILE = 3;
const MOST_SECONDS = { near: 120, far: 900 };

const { values } = parseArgs({
  options: {
    count: { type: "string", default: "40" },
    seed: { type: "string", default: "1" },
    part: { type: "string", multiple: true, default: Object.keys(PARTS) },
    out: { type: "string", default: ".qknorm/mutants.json" },
    again: { type: "string" },
  },
});

const reason = setUp();
if (reason !== null) throw new Error(`no native addon to plant faults in: ${reason}`);
// Outside of this tree, whose ignore rules would hide a copy from the tests that ask git.
const tree = join(tmpdir(), `qknorm-mutants-${createHash("sha256").update(root).digest("hex").slice(0, 12)}`);
const tracked = spawnSync("git", ["ls-files"], { cwd: root, encoding: "utf8" }).stdout.trim().split("\n");
copyTree();
// Sets of tests that were seen to pass without any fault.
const green = new Set();
const report = { seed: Number(values.seed), mutants: [] };
for (const mutant of values.again ? survivorsOf(values.again) : values.part.flatMap(drawn)) {
  const outcome = await judge(mutant);
  if (outcome === null) continue;
  report.mutants.push({ ...mutant, ...outcome });
  writeFileSync(join(root, values.out), `${JSON.stringify(report, null, 1)}\n`);
  process.stdout.write(
    `${outcome.end} ${mutant.file}:${mutant.line} ${mutant.kind} ${outcome.by ?? mutant.before}\n`,
  );
}

function survivorsOf(path) {
  return JSON.parse(readFileSync(path, "utf8"))
    .mutants.filter(({ end }) => end === "survived")
    .map(({ end, ...mutant }) => {
      const source = readFileSync(join(root, mutant.file), "utf8");
      const places = placesOf(source, mutant.code);
      if (places.length === 0) throw new Error(`${mutant.file} no longer has ${mutant.code}`);
      const distance = (place) => Math.abs(lineOf(source, place) - mutant.line);
      const at = places.sort((a, b) => distance(a) - distance(b))[0] + mutant.column;
      return { ...mutant, line: lineOf(source, at), at };
    });
}

function drawn(part) {
  const { files, slow } = PARTS[part];
  const random = generator(Number(values.seed));
  const all = tracked
    .filter((file) => files.test(file) && /(?<!\.test|\.test-d)\.(ts|cc|h)$/.test(file) && !slow?.test(file))
    .flatMap((file) => {
      const source = readFileSync(join(root, file), "utf8");
      const mutants = mutationsOf(file, source).map((mutation) => placed(part, file, source, mutation));
      return shuffled(mutants, random).slice(0, MOST_PER_FILE);
    });
  return shuffled(all, random).slice(0, Number(values.count));
}

function placed(part, file, source, { at, length, text, kind }) {
  const begin = source.lastIndexOf("\n", at) + 1;
  const end = source.indexOf("\n", at + length);
  const code = source.slice(begin, end < 0 ? undefined : end);
  const before = source.slice(at, at + length);
  return { part, file, line: lineOf(source, at), kind, at, column: at - begin, length, code, before, text };
}

/** How the tests take it: `{ end, by }`, or null where it is no program. */
async function judge(mutant) {
  const path = join(tree, mutant.file);
  const source = readFileSync(join(root, mutant.file), "utf8");
  const near = nearTests(mutant.file);
  if (near.length > 0) await requireGreen(near, MOST_SECONDS.near);
  await requireGreen(PARTS[mutant.part].tests, MOST_SECONDS.far);
  const changed = source.slice(0, mutant.at) + mutant.text + source.slice(mutant.at + mutant.length);
  writeFileSync(path, changed);
  try {
    if (isNative(mutant.file) && !(await build())) return null;
    const first = near.length > 0 ? await test(near, MOST_SECONDS.near) : null;
    return first ?? (await test(PARTS[mutant.part].tests, MOST_SECONDS.far)) ?? { end: "survived" };
  } finally {
    writeFileSync(path, source);
  }
}

function isNative(file) {
  return /\.(cc|h)$/.test(file);
}

/** Tests of the same stem beside the file or in a folder `test` above it, and those that import it. */
function nearTests(file) {
  const stem = basename(file).replace(/\.\w+$/, "");
  const package_ = file.replace(/\/(src|addon|cpu|cuda)\/.*/, "");
  const dashed = stem.replaceAll("_", "-");
  return tracked.filter(
    (test) =>
      test.startsWith(package_) &&
      /(?<!\.gpu)\.test\.ts$/.test(test) &&
      (basename(test).includes(dashed) ||
        new RegExp(`/${stem}\\.ts"`).test(readFileSync(join(root, test), "utf8"))),
  );
}

/** Throws where tests fail without any fault: they would judge nothing. */
async function requireGreen(files, seconds) {
  const key = files.join(" ");
  if (green.has(key)) return;
  const failure = await test(files, seconds);
  if (failure !== null) throw new Error(`${failure.by ?? key} fails without any fault`);
  green.add(key);
}

/** Null where they pass. */
async function test(files, seconds) {
  const out = join(tree, "report.json");
  writeFileSync(out, "{}");
  const status = await run(
    ["node_modules/vitest/vitest.mjs", "run", "--bail=1", "--reporter=json", `--outputFile=${out}`, ...files],
    tree,
    seconds,
  );
  if (status === 0) return null;
  if (status === null) return { end: "never ended" };
  const failed = (JSON.parse(readFileSync(out, "utf8")).testResults ?? []).filter(
    (result) => result.status === "failed",
  );
  const first = failed
    .flatMap(({ name, assertionResults }) => assertionResults.map((one) => ({ name, ...one })))
    .find((one) => one.status === "failed");
  const where = (first?.name ?? failed[0]?.name ?? "").replace(`${tree}/`, "");
  return { end: "killed", by: where === "" ? "does not load" : where, test: first?.fullName };
}

async function build() {
  const cmakeJs = join(root, "native/node_modules/cmake-js/bin/cmake-js");
  return (await run([cmakeJs, "compile", "--out", "build"], join(tree, "native"), 600)) === 0;
}

/** The status; null where it took too long. What it started is ended with it. */
function run(args, cwd, seconds) {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, args, { cwd, stdio: "ignore", detached: true });
    const timer = setTimeout(() => {
      process.kill(-child.pid, "SIGKILL");
      resolve(null);
    }, seconds * 1000);
    child.once("close", (status) => {
      clearTimeout(timer);
      resolve(status ?? 1);
    });
  });
}

function copyTree() {
  for (const file of tracked.filter((name) => existsSync(join(root, name)))) {
    mkdirSync(dirname(join(tree, file)), { recursive: true });
    const bytes = readFileSync(join(root, file));
    const to = join(tree, file);
    if (!existsSync(to) || !readFileSync(to).equals(bytes)) writeFileSync(to, bytes);
  }
  for (const folder of ["", ...packages()]) {
    const to = join(tree, folder, "node_modules");
    if (existsSync(to)) continue;
    // Packages of this tree are linked by relative paths, which lead to the copy's own.
    if (folder === "") symlinkSync(join(root, "node_modules"), to);
    else spawnSync("cp", ["-a", join(root, folder, "node_modules"), to]);
  }
  mkdirSync(join(tree, "native/build/Release"), { recursive: true });
  spawnSync("cp", [join(root, "native/build/Release/qknorm.node"), join(tree, "native/build/Release/")]);
}

function packages() {
  const folders = ["native", "codemods", ...["packages", "examples"].flatMap(below)];
  return folders.filter((folder) => existsSync(join(root, folder, "node_modules")));
}

function below(folder) {
  return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
}

function placesOf(source, code) {
  const places = [];
  for (let at = source.indexOf(code); at >= 0; at = source.indexOf(code, at + 1)) places.push(at);
  return places;
}

function lineOf(text, at) {
  return text.slice(0, at).split("\n").length;
}

function shuffled(list, random) {
  const all = [...list];
  for (let i = all.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [all[i], all[j]] = [all[j], all[i]];
  }
  return all;
}

// Mulberry32.
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
