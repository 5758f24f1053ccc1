// npm run coverage:native [-- TEST ...]: builds the addon with gcov's counters in a folder of its own below .qknorm/, runs the
// native tests, or those that are named, with it, and says which lines of each of its folders they ran. What is killed counts nothing.
import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import { root, setUp } from "./setup.mjs";

const tests = process.argv.slice(2);
const native = join(root, "native");
const out = join(root, ".qknorm", "coverage-native");
const folders = ["addon", "cpu", "cuda"];

const reason = setUp();
if (reason !== null) throw new Error(`no native addon to measure: ${reason}`);
const build = [join(native, "node_modules/cmake-js/bin/cmake-js"), "compile", "--silent", "--out", out];
const built = node([...build, "--CDQKNORM_COVERAGE=ON"], { cwd: native });
if (built !== 0) process.exit(built);
for (const path of counters(".gcda")) rmSync(path);
const suite = ["run", "--reporter=dot", ...(tests.length > 0 ? tests : ["native/test", "native/src"])];
process.exitCode = node([join(root, "node_modules/vitest/vitest.mjs"), ...suite], {
  cwd: root,
  env: {
    ...process.env,
    QKNORM_NATIVE_PATH: join(out, "Release", "qknorm.node"),
    // vitest ends its processes by a signal, on which the counters are lost; they are written where a process exits.
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent('process.send&&process.on("SIGTERM",()=>process.exit())')}`,
  },
});
tell();

function node(args, options) {
  const { status, error } = spawnSync(process.execPath, args, { stdio: "inherit", ...options });
  if (error !== undefined) throw error;
  return status ?? 1;
}

/** The files of gcov below the build, by their ending. */
function counters(ending) {
  return readdirSync(out, { recursive: true })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(out, name));
}

function tell() {
  const runs = countedRuns();
  const all = [0, 0];
  for (const folder of folders) {
    const counts = [...runs]
      .filter(([path]) => path.startsWith(`${folder}/`))
      .flatMap(([, lines]) => [...lines.values()]);
    const ran = counts.filter((count) => count > 0).length;
    all[0] += ran;
    all[1] += counts.length;
    process.stdout.write(
      `native/${folder.padEnd(10)} ${share(ran, counts.length)} of ${counts.length} lines\n`,
    );
  }
  process.stdout.write(`native            ${share(...all)} of ${all[1]} lines\n`);
  for (const [path, lines] of runs) {
    const counts = [...lines.values()];
    const ran = counts.filter((count) => count > 0).length;
    if (ran < 0.9 * counts.length) process.stdout.write(`  ${share(ran, counts.length)} of native/${path}\n`);
  }
}

function share(part, whole) {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

/** How often each line of our sources ran, by path and number: a header's line counts in whatever includes it. */
function countedRuns() {
  const runs = new Map();
  const notes = counters(".gcno");
  const { stdout, status } = spawnSync("gcov", ["--json-format", "--stdout", ...notes], {
    cwd: out,
    encoding: "utf8",
    maxBuffer: 2 ** 30,
  });
  if (status !== 0) throw new Error("gcov failed");
  for (const line of stdout.split("\n").filter((text) => text.startsWith("{"))) {
    const { files, current_working_directory: cwd } = JSON.parse(line);
    for (const { file, lines } of files) {
      const path = relative(native, resolve(cwd, file));
      if (!folders.some((folder) => path.startsWith(`${folder}/`))) continue;
      const counts = runs.get(path) ?? new Map();
      for (const { line_number, count } of lines) {
        counts.set(line_number, (counts.get(line_number) ?? 0) + count);
      }
      runs.set(path, counts);
    }
  }
  return runs;
}
