// npm run packed-speed: the time of a fused native call as it was installed by npm from the packed packages of `npm run pack`,
// and of the same program in this checkout, in turn; fails where the installed one takes more than 1.2 times as long. On one thread:
// whether the other cores are free is not what is compared. Writes packages/tensor/bench/results/packed-speed.json.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { makeProject, run, tarballsIn } from "./packed/project.mjs";
import { root } from "./setup.mjs";

const most = 1.2;
const rounds = 5;

const place = mkdtempSync(join(tmpdir(), "qknorm-speed-"));
// Beside the packages, so that their names resolve to the sources.
const checkout = mkdtempSync(join(root, "packages/tensor/.speed-"));
try {
  const tarballs = tarballsIn(join(root, "build", "packed"));
  makeProject(place, { installer: "npm", tarballs, packages: [] });
  copyFileSync(join(place, "timed.mjs"), join(checkout, "timed.mjs"));
  const sources = ["--conditions=@qknorm/source", "--import", import.meta.resolve("tsx")];
  const times = { installed: [], checkout: [] };
  for (let round = 0; round < rounds; round++) {
    times.installed.push(measure([], place));
    times.checkout.push(measure(sources, checkout));
  }
  const [installed, here] = Object.values(times).map((all) => Math.min(...all));
  const ratio = installed / here;
  process.stdout.write(
    `64 tokens, 16 query heads and 8 KV heads of 128, bf16, in place, one thread: installed ${installed.toFixed(1)} us, ` +
      `checkout ${here.toFixed(1)} us, ratio ${ratio.toFixed(2)} (at most ${most})\n`,
  );
  const microseconds = { installed: rounded(installed), checkout: rounded(here) };
  const result = { device: cpus()[0]?.model, node: process.version, microseconds, ratio: rounded(ratio) };
  writeFileSync(
    join(root, "packages/tensor/bench/results/packed-speed.json"),
    `${JSON.stringify(result, null, 1)}\n`,
  );
  process.exitCode = ratio <= most ? 0 : 1;
} finally {
  for (const folder of [place, checkout]) rmSync(folder, { recursive: true, force: true });
}

function measure(flags, folder) {
  const { stdout } = run(process.execPath, [...flags, "timed.mjs"], folder, { QKNORM_THREADS: "1" });
  const { microseconds, running } = JSON.parse(stdout);
  if (!running.startsWith("native kernels")) throw new Error(`${folder} runs ${running}`);
  return microseconds;
}

function rounded(value) {
  return Number(value.toFixed(2));
}
